/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Questions to a printer's host software: Klippy's API socket (Klipper docs/API_Server.md),
 * Moonraker's unix socket and its HTTP port. One question a connection; events that a server
 * sends in between are passed over. An answer is a stranger's: bounded, and typed by who reads it.
 *
 * All fail with KF_PRINTER_UNKNOWN (nobody listens, no answer in time, an error for an answer, or
 * none of ours), or KF_INTERRUPTED by a stop signal; the message begins with whom we asked.
 */
#ifndef KF_KLIPPY_API_H
#define KF_KLIPPY_API_H

#include <sys/types.h>

#include "core/error.h"

#define KF_API_ANSWER_MAX (1 << 20) /* bytes, of one message or one HTTP answer */

/*
 * Send method with params (borrowed; NULL: none) to the unix socket at path. *ret is a new
 * reference to the answer's "result". listener 0, or the process that has to be the one that
 * listens there: a socket says whose it is.
 */
_must_check_ int kf_api_request(const char *path, pid_t listener, const char *method,
				json_t *params, int64_t deadline_ms, json_t **ret,
				struct kf_error *err);

/* GET target from 127.0.0.1:port; the same "result". */
_must_check_ int kf_api_get(unsigned port, const char *target, int64_t deadline_ms, json_t **ret,
			    struct kf_error *err);

#endif
