/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Does a printer print? Read from what Klippy answers; pure, and doubtful of every answer. */
#ifndef KF_KLIPPER_PRINTER_H
#define KF_KLIPPER_PRINTER_H

#include "core/base.h"

enum kf_printer_state {
	KF_PRINTER_DOUBT,    /* the answers do not tell */
	KF_PRINTER_IDLE,     /* nothing runs, whatever ran last */
	KF_PRINTER_DOWN,     /* shutdown, error or startup: nothing can run */
	KF_PRINTER_PRINTING, /* a file from the virtual SD card */
	KF_PRINTER_PAUSED,   /* likewise */
	KF_PRINTER_STREAMED, /* G-code of another origin: a macro, or a program that sends it */
	KF_PRINTER_HELD,     /* likewise, and PAUSE came */
};

struct kf_printer {
	enum kf_printer_state state;
	char file[KF_NAME_SIZE]; /* what is printed, clean; may be empty */
	int percent;		 /* of it; -1: not known */
};

/*
 * info is the result of Klippy's "info" (Moonraker's printer.info). False: it is ready, and only
 * its objects tell; else *ret is the verdict.
 */
bool kf_printer_judge_info(const json_t *info, struct kf_printer *ret);

/*
 * result is that of "objects/query" (printer.objects.query) for print_stats, virtual_sdcard,
 * pause_resume, idle_timeout and webhooks. print_stats outlives an emergency stop, so webhooks'
 * state counts first; idle_timeout says Printing for all G-code, whoever sends it, and pause_resume
 * that it was paused, where print_stats knows of files only.
 */
void kf_printer_judge(const json_t *result, struct kf_printer *ret);

#endif
