/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A lease client: units are stopped for a while by the lease server, kf-leased, which starts them
 * again whatever happens in between: lease.h.
 */
#ifndef KF_SYSTEMD_HOLD_H
#define KF_SYSTEMD_HOLD_H

#include "systemd/command.h"
#include "systemd/lease.h"

struct kf_hold_request {
	char units[KF_UNITS_MAX][KF_NAME_SIZE]; /* as kf_unit_name gives them */
	size_t count;
	int64_t timeout_ms; /* for units to stop, and for each to start; rounded up to seconds */
	int64_t wait_ms;    /* for another lease to end its restart; likewise */
	bool while_unknown; /* stop a Klippy also if it does not say whether it prints */
	/* News of one unit ("stopped"), for a phase line. */
	void (*told)(const char *unit, const char *news);
};

struct kf_lease;

/*
 * Have the units stopped, and what systemd stops along with them. KF_PERMISSION (77): there is no
 * lease server, or we may not ask it; nothing is stopped then. Else the server's errors:
 * KF_SERVICE, KF_BUSY, KF_PRINTING, KF_PRINTER_UNKNOWN, KF_TIMEOUT; KF_INTERRUPTED. On failure *ret
 * is set if something may have been stopped: kf_lease_end has to follow.
 */
_must_check_ int kf_lease_take(const struct kf_hold_request *request, struct kf_lease **ret,
			       struct kf_error *err);

/* Run the command, which inherits the connection; as kf_command_run. */
_must_check_ int kf_lease_run(struct kf_lease *lease, const struct kf_command *command,
			      struct kf_command_end *ret, struct kf_error *err);

/*
 * End the lease, and wait until the units run again, through any stop signal. KF_SERVICE_LOST: not
 * all of them came back; the hint is the command to type. Frees the lease; NULL is 0.
 */
_must_check_ int kf_lease_end(struct kf_lease **lease, struct kf_error *err);

/*
 * Ask the server about units: the "units" of lease.h's answer to "status", a new reference. Errors
 * are those of kf_lease_take.
 */
_must_check_ int kf_lease_status(const char (*units)[KF_NAME_SIZE], size_t count, json_t **ret,
				 struct kf_error *err);

#endif
