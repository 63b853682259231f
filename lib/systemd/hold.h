/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Units taken down for a while: those that ran are stopped, and exactly those are started
 * again, whatever happens in between. How that is guaranteed: systemd/way.h.
 */
#ifndef KF_SYSTEMD_HOLD_H
#define KF_SYSTEMD_HOLD_H

#include "systemd/command.h"

/* Those that stop along with the ones that were named included. */
enum { KF_HOLD_UNITS_MAX = 32 };

struct kf_unit_hold;
struct kf_systemd;

struct kf_unit_hold_options {
	const struct kf_command *command; /* what will run: its process may be needed before */
	int64_t timeout_ms;		  /* for one unit to stop or to start */
	int64_t wait_ms;		  /* for another hold that begins */
	/* News of one unit ("stopped"), for a phase line. */
	void (*told)(const char *unit, const char *news);
};

/*
 * What stands behind a hold of this unit, had we one: "lease", "scope", "sudo scope",
 * "sentinel" (kf-service(1) says what each survives), or "none": nothing would be stopped.
 */
const char *kf_unit_guarantee(struct kf_systemd *systemd, const char *unit);

/*
 * Look at the units (names as kf_unit_name gives them, KF_HOLD_UNITS_MAX at most); nothing is
 * stopped yet. KF_SERVICE: no systemd, no such unit, one that runs but could not be started again,
 * or one that started us. KF_BUSY: another hold has one. KF_PERMISSION: no way to guarantee it.
 */
_must_check_ int kf_unit_hold_new(const char (*units)[KF_NAME_SIZE], size_t count,
				  const struct kf_unit_hold_options *options,
				  struct kf_unit_hold **ret, struct kf_error *err);

/* Stop those that run. Whatever this returns, kf_unit_hold_release has to follow. */
_must_check_ int kf_unit_hold_take(struct kf_unit_hold *hold, struct kf_error *err);

/* Run the command while the hold lasts; as kf_command_run. */
_must_check_ int kf_unit_hold_run(struct kf_unit_hold *hold, const struct kf_command *command,
				  struct kf_command_end *ret, struct kf_error *err);

/*
 * Start what was stopped, the last first, through any stop signal, each with its own
 * timeout. KF_SERVICE_LOST: not all came back; the hint is the command to type.
 */
_must_check_ int kf_unit_hold_release(struct kf_unit_hold *hold, struct kf_error *err);

/* Does not start anything: call kf_unit_hold_release before. */
void kf_unit_hold_free(struct kf_unit_hold **hold);

#endif
