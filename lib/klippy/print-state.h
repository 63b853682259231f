/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The state of a running Klippy: whether it prints, and whether it is ready. It is asked itself,
 * else a Moonraker that speaks of this very process: another printer's Moonraker on the same host
 * must not answer for it.
 */
#ifndef KF_KLIPPY_PRINT_STATE_H
#define KF_KLIPPY_PRINT_STATE_H

#include "core/error.h"
#include "klippy/klippy.h"

enum kf_print {
	KF_PRINT_UNCLEAR,	/* the answers do not tell */
	KF_PRINT_IDLE,		/* nothing runs, whatever ran last */
	KF_PRINT_DOWN,		/* shutdown, error or startup: nothing can run */
	KF_PRINT_FILE,		/* a file from the virtual SD card */
	KF_PRINT_FILE_PAUSED,	/* likewise */
	KF_PRINT_STREAM,	/* G-code of another origin: a macro, or a program that sends it */
	KF_PRINT_STREAM_PAUSED, /* likewise, and PAUSE came */
};

struct kf_print_state {
	enum kf_print state;
	char file[KF_NAME_SIZE]; /* what is printed, clean; may be empty */
	int percent;		 /* of it; -1: not known */
};

/*
 * info is the result of Klippy's "info" (Moonraker's printer.info). False: it is ready, and only
 * its objects tell; else *ret is its state.
 */
bool kf_print_state_read_info(const json_t *info, struct kf_print_state *ret);

/*
 * status is that of "objects/query" (printer.objects.query) for print_stats, virtual_sdcard,
 * pause_resume, idle_timeout and webhooks. print_stats outlives an emergency stop, so webhooks'
 * state counts first; idle_timeout says Printing for all G-code, whoever sends it, and pause_resume
 * that it was paused, where print_stats knows of files only.
 */
void kf_print_state_read(const json_t *status, struct kf_print_state *ret);

/* The objects that kf_print_state_read wants, for a query of one's own: a new reference. */
json_t *kf_print_state_objects(void);

/*
 * "printing", "paused" or "running G-code", as in a record; NULL: nothing runs, as far as is known.
 */
const char *kf_print_name(enum kf_print print);

/* "printing cube.gcode, 45 % done"; false: as NULL above. */
bool kf_print_state_text(const struct kf_print_state *print, char *ret, size_t size);

/*
 * 0 and a state that is not KF_PRINT_UNCLEAR; KF_PRINTER_UNKNOWN with the reasons of all that
 * were asked; KF_INTERRUPTED. Each source has a few seconds, all have until deadline_ms.
 */
_must_check_ int kf_print_state_ask(const struct kf_klippy *klippy, int64_t deadline_ms,
				    struct kf_print_state *ret, struct kf_error *err);

/*
 * Wait until klippy says that it is ready, or why it will not be (error, shutdown), or until
 * deadline_ms what it says then. *ret is its word and, unless it is ready, its reason. False: it
 * has no socket of its own, never answered there, or a stop signal came.
 */
_must_check_ bool kf_klippy_ready(const struct kf_klippy *klippy, int64_t deadline_ms,
				  char ret[KF_NAME_SIZE]);

#endif
