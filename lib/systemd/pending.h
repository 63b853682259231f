/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pending restarts: units that were stopped and have to run again. Each has a file in a folder of
 * root's, named as the unit. Each lease on the unit has a shared flock(2) on the file; the unit's
 * state ("active") is written there before it is stopped. The process that gets the exclusive lock
 * starts the unit and removes the file: kf_pending_settle, the only code that restores. So a unit
 * is started again at the end of its last lease, also if any process is killed.
 *
 * A restart is pending until the unit has been active again, whoever started it: after that only
 * its owner starts and stops it. If our own start fails, it stays pending.
 */
#ifndef KF_SYSTEMD_PENDING_H
#define KF_SYSTEMD_PENDING_H

#include "systemd/bus.h"

#define KF_PENDINGS_MAX 64

enum kf_settled {
	KF_SETTLED_INACTIVE, /* nothing was to be done for it */
	KF_SETTLED_STARTED,
	KF_SETTLED_RUNNING, /* it ran already: it was not stopped, or somebody started it */
	KF_SETTLED_HELD,    /* another lease keeps it, or what its start would start, stopped, or
			       restores it at this moment */
	KF_SETTLED_LEFT,    /* it was masked, disabled or removed meanwhile, or has run and was
			       stopped: err says so */
	KF_SETTLED_LOST,    /* it could not be started: err says why; the restart stays pending */
};
/* "started" */
const char *kf_settled_name(enum kf_settled settled);

struct kf_pending {
	char unit[KF_NAME_SIZE];
	int fd; /* its file, locked; -1: none */
	enum kf_settled settled;
	struct kf_error err;
	bool start; /* settle's own */
};

/*
 * Open (or make) a unit's file and take the shared lock, waiting for a restart that is under way.
 * KF_BUSY: that did not end by the deadline. KF_INTERRUPTED, -ECANCELED, KF_IO.
 */
_must_check_ int kf_pending_lock(const char *dir, const char *unit,
				 const struct kf_deadline *deadline, int *ret,
				 struct kf_error *err);

/*
 * Is a restart pending by this file, or (false also where there is no such file) by this unit's?
 * *ret gets the members of the unit's state before that a file keeps: active, unit_file and since.
 */
bool kf_pending_read(int fd, struct kf_unit_state *ret);
bool kf_pending_exists(const char *dir, const char *unit);

/* Write it: from here on the unit is started again whatever happens. */
_must_check_ int kf_pending_write(int fd, const struct kf_unit_state *before, struct kf_error *err);

/* All files of the folder, not yet locked; their number. A folder that is not there is none. */
_must_check_ int kf_pending_list(const char *dir, struct kf_pending ret[KF_PENDINGS_MAX],
				 struct kf_error *err);

/*
 * Restore each unit whose exclusive lock is free: start it, wait until it runs, and remove its
 * file. timeout_ms is for each. Closes the files; each has its result. Returns 0, or
 * KF_SERVICE_LOST of those that did not start; the hint is the command to type. Stop signals wait.
 */
int kf_pending_settle(const char *dir, struct kf_pending *list, size_t count, int64_t timeout_ms,
		      struct kf_error *err);

#endif
