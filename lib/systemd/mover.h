/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One unit on its way down or up, on an sd-event loop: the calls of units.h without waiting
 * for any. All go over one connection, so systemd hears them in the order that we meant; a
 * lost one is made anew until the deadline.
 */
#ifndef KF_SYSTEMD_MOVER_H
#define KF_SYSTEMD_MOVER_H

#include <systemd/sd-event.h>

#include "systemd/state.h"

struct kf_mover;

struct kf_mover_owner {
	/*
	 * On its way down it was seen to run: note that, and say when it may be stopped
	 * (kf_mover_stop; from in here, too). An error of it ends the move.
	 */
	int (*stopping)(void *arg, const char *active, struct kf_error *err);
	/*
	 * The end; kf_mover_go and kf_mover_free are allowed in here. Down: it is; was_up says
	 * whether it ran. Up: it runs, or does what it did (active). Else an error as of
	 * kf_unit_stop and kf_unit_start.
	 */
	void (*done)(void *arg, bool was_up, const struct kf_error *err);
	void *arg;
};

_must_check_ int kf_mover_new(sd_event *event, const char *unit, const struct kf_mover_owner *owner,
			      struct kf_mover **ret);
void kf_mover_free(struct kf_mover **mover);

/* Take it down. A move that has not ended is forgotten: done is not called for it. */
void kf_mover_down(struct kf_mover *mover, int64_t timeout_ms);

/* What stopping asked for. */
void kf_mover_stop(struct kf_mover *mover);

/* Bring it up; active: what it did before it was stopped. */
void kf_mover_up(struct kf_mover *mover, const char *active, int64_t timeout_ms);

/* Leave it where it is. */
void kf_mover_stay(struct kf_mover *mover);

#endif
