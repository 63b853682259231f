/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lease server's side of one connection (lease.h). It waits for one event at a time. */
#ifndef KF_SYSTEMD_SERVER_H
#define KF_SYSTEMD_SERVER_H

#include "core/error.h"

struct kf_lease_server {
	const char *restarts; /* the folder of pending.h */
	const char *leases;   /* the folder of leases.h */
	int connection;
	/*
	 * The print guard: may this unit, with this main process (0: none), be stopped?
	 * KF_PRINTING, or KF_PRINTER_UNKNOWN unless while_unknown.
	 */
	int (*may_stop)(const char *unit, pid_t main_pid, bool while_unknown, struct kf_error *err);
	/* Called once, with the client and the units, before a unit is stopped. */
	void (*told)(const char *client, const char *units);
};

/*
 * Serve the connection to its end, and restore what was stopped. A stop signal ends the lease.
 * KF_SERVICE_LOST: not all run again, and their restart stays pending. An error that was sent to
 * the lease client is not an error here.
 */
_must_check_ int kf_lease_serve(const struct kf_lease_server *server, struct kf_error *err);

/*
 * The lease server of this connection was killed: keep what is pending stopped until the lease
 * client ends, as that server would have, then restore it. Errors are those of kf_lease_serve.
 */
_must_check_ int kf_lease_resume(const struct kf_lease_server *server, int64_t timeout_ms,
				 struct kf_error *err);

#endif
