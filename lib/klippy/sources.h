/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who can tell of a running Klippy: itself at its own socket, which is known by the process that
 * listens there, else a Moonraker that names this very process (process_id, which Klipper tells
 * since July 2023): another printer's Moonraker on the same host must not answer for it.
 */
#ifndef KF_KLIPPY_SOURCES_H
#define KF_KLIPPY_SOURCES_H

#include "core/error.h"
#include "klippy/klippy.h"

#define KF_MOONRAKER_PORT 7125

struct kf_source;

/*
 * What to ask of a source that answers; info is the result of Klippy's "info". A failure lets the
 * next source be asked; that of a stop signal (-EINTR) does not.
 */
typedef int kf_source_use(struct kf_source *source, const json_t *info, void *arg,
			  struct kf_error *err);

/*
 * Call use with each source until it succeeds. Each source has source_ms, all have until
 * deadline_ms. KF_PRINTER_UNKNOWN with the reasons of all that were asked; KF_INTERRUPTED.
 */
_must_check_ int kf_sources_try(const struct kf_klippy *klippy, int64_t source_ms,
				int64_t deadline_ms, kf_source_use *use, void *arg,
				struct kf_error *err);

/*
 * The "status" of objects/query: objects (borrowed) as Klippy's API takes them, a list of members
 * or null for each. A new reference to an object. KF_PRINTER_UNKNOWN, KF_INTERRUPTED.
 */
_must_check_ int kf_source_query(struct kf_source *source, json_t *objects, json_t **ret,
				 struct kf_error *err);

/* The names of all objects: a new reference to an array. Errors as above. */
_must_check_ int kf_source_list(struct kf_source *source, json_t **ret, struct kf_error *err);

/* The port in [server] of a moonraker.conf; KF_MOONRAKER_PORT where it names none, 0: no file. */
unsigned kf_moonraker_port(const char *conf);

#endif
