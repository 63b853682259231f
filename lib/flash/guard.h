/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A print is never killed: before what holds a port is stopped, it is asked what it does.
 * Each process is asked once; a guard lives no longer than one look at the boards.
 */
#ifndef KF_FLASH_GUARD_H
#define KF_FLASH_GUARD_H

#include "core/board.h"
#include "flash/hold.h"

struct kf_guard {
	bool while_unknown; /* the user's word: no answer is no reason to stay */
	struct {
		pid_t pid;
		struct kf_error err; /* KF_OK: it may be stopped */
	} asked[2 * KF_HOLD_MAX];
	size_t count;
};

/*
 * May this process be stopped? Yes for whatever is no Klippy, and for one that has ended, is
 * idle, shut down, in error or starting. KF_PRINTING: with file and progress.
 * KF_PRINTER_UNKNOWN: it runs, and nobody can say. KF_INTERRUPTED.
 */
_must_check_ int kf_guard_holder(struct kf_guard *guard, const struct kf_holder *holder,
				 struct kf_error *err);

#endif
