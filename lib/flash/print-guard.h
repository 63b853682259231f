/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A print is never killed: before a port is touched, or what holds it is stopped, its Klippy is
 * asked what it does. Each process is asked once; a guard lives no longer than one look at the
 * boards.
 */
#ifndef KF_FLASH_PRINT_GUARD_H
#define KF_FLASH_PRINT_GUARD_H

#include "board/board.h"
#include "flash/hold.h"

/* A Klippy whose open files we cannot see: it belongs to another user, or runs in a container. */
struct kf_hidden;

/* All zero is a new one. */
struct kf_print_guard {
	bool while_unknown; /* the user says: go on without an answer */
	struct {
		pid_t pid;
		struct kf_error err; /* KF_OK: it may be stopped */
	} checked[32];		     /* of more, each is asked again */
	size_t checked_count;
	void (*waits)(const char *klippy); /* it is slow to answer; may be NULL */
	bool looked;			   /* hidden ones are listed */
	struct kf_hidden *hidden;
	size_t hidden_count;
};

/*
 * Complete the holder of a board that has a tty and seems free: by the configuration of each
 * hidden Klippy, which all together have three seconds to tell it. One that does not tell may have
 * the port if its flock(2) is taken, or if it runs in a container, unless it has the flock(2) of
 * other ports only. KF_PRINTER_UNKNOWN: one may have it, and nobody can say (with while_unknown: 0,
 * and no holder). KF_INTERRUPTED.
 */
_must_check_ int kf_print_guard_port(struct kf_print_guard *guard, struct kf_board *board,
				     struct kf_error *err);

/*
 * May this process be stopped? Yes for whatever is no Klippy, and for one that has ended, is
 * idle, shut down, in error or starting. KF_PRINTING: with file and progress.
 * KF_PRINTER_UNKNOWN: it runs, and nobody can say. KF_INTERRUPTED.
 */
_must_check_ int kf_print_guard_holder(struct kf_print_guard *guard, const struct kf_holder *holder,
				       struct kf_error *err);

void kf_print_guard_free(struct kf_print_guard *guard);

#endif
