/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Questions to a printer's host software: Klippy's API socket (Klipper docs/API_Server.md),
 * Moonraker's unix socket and its HTTP port. Events that a server sends in between are passed over.
 * An answer is not trusted: its size is limited, and each reader checks its types.
 *
 * All fail with KF_PRINTER_UNKNOWN (nobody listens, no answer in time, an error for an answer, or
 * none of ours), or KF_INTERRUPTED by a stop signal. The caller adds whom it asked to the message.
 */
#ifndef KF_KLIPPY_API_H
#define KF_KLIPPY_API_H

#include <sys/types.h>

#include "core/error.h"

/* Bytes of one message or one HTTP answer: the settings of a printer with all its macros, twice. */
#define KF_API_ANSWER_MAX (4 << 20)

struct kf_api;

/*
 * Connect to the unix socket at path. All requests over the connection have to be answered until
 * deadline_ms. listener 0, or the process that has to be the one that listens there: a socket says
 * whose it is. The caller closes *ret.
 */
_must_check_ int kf_api_open(const char *path, pid_t listener, int64_t deadline_ms,
			     struct kf_api **ret, struct kf_error *err);
void kf_api_close(struct kf_api **api);

/*
 * Send method with params (borrowed; NULL: none). *ret is a new reference to the answer's "result".
 * After a failure other than an error for an answer, the connection is of no more use.
 */
_must_check_ int kf_api_ask(struct kf_api *api, const char *method, json_t *params, json_t **ret,
			    struct kf_error *err);

/* One request over a connection of its own; the message of a failure begins with path. */
_must_check_ int kf_api_request(const char *path, pid_t listener, const char *method,
				json_t *params, int64_t deadline_ms, json_t **ret,
				struct kf_error *err);

/* GET target from 127.0.0.1:port; the same "result". */
_must_check_ int kf_api_get(unsigned port, const char *target, int64_t deadline_ms, json_t **ret,
			    struct kf_error *err);

#endif
