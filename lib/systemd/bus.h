/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * systemd's manager on the system bus (org.freedesktop.systemd1(5)). Every call is
 * asynchronous underneath, so that a deadline or a stop signal ends it; nothing here ever
 * makes polkit ask for a password.
 *
 * Besides what a function names it returns -ETIMEDOUT, -EINTR, or -ENOTCONN: the
 * connection is gone, and another has to be opened.
 */
#ifndef KF_SYSTEMD_BUS_H
#define KF_SYSTEMD_BUS_H

#include <systemd/sd-bus.h>

#include "systemd/patience.h"
#include "systemd/state.h"

struct kf_bus;

/* Connect and subscribe to the manager's signals. KF_SERVICE: no bus, or no systemd on it. */
_must_check_ int kf_bus_open(const struct kf_patience *patience, struct kf_bus **ret,
			     struct kf_error *err);
void kf_bus_close(struct kf_bus **bus);
bool kf_bus_alive(const struct kf_bus *bus);

/* systemd's version: 252. KF_SERVICE: it tells none. */
_must_check_ int kf_bus_version(struct kf_bus *bus, const struct kf_patience *patience,
				unsigned *ret, struct kf_error *err);

_must_check_ int kf_bus_state(struct kf_bus *bus, const char *unit,
			      const struct kf_patience *patience, struct kf_unit_state *ret,
			      struct kf_error *err);

/*
 * Have method (StopUnit, StartUnit) queue a job for unit, and wait for its end; *ret is the
 * job's result (done, failed, canceled ...). KF_PERMISSION: polkit says no. KF_SERVICE:
 * systemd does.
 */
_must_check_ int kf_bus_job(struct kf_bus *bus, const char *method, const char *unit,
			    const struct kf_patience *patience, char ret[32], struct kf_error *err);

/*
 * Call StartTransientUnit with what fill puts into the message, and wait for the job's end
 * as kf_bus_job does. Errors are those of kf_bus_job.
 */
_must_check_ int kf_bus_transient(struct kf_bus *bus, int (*fill)(sd_bus_message *m, void *arg),
				  void *arg, const struct kf_patience *patience, char ret[32],
				  struct kf_error *err);

/* Wait for the end of a job (its object's path) that was asked for since kf_bus_listen(). */
void kf_bus_listen(struct kf_bus *bus);
_must_check_ int kf_bus_job_end(struct kf_bus *bus, const char *job,
				const struct kf_patience *patience, char ret[32],
				struct kf_error *err);

/* Wait until unit has reached that. One that is forgotten is down. */
_must_check_ int kf_bus_wait(struct kf_bus *bus, const char *unit,
			     bool (*reached)(const struct kf_unit_state *state),
			     const struct kf_patience *patience, struct kf_error *err);

/* Forget that unit failed: one that failed too often is not started otherwise. */
_must_check_ int kf_bus_reset_failed(struct kf_bus *bus, const char *unit,
				     const struct kf_patience *patience, struct kf_error *err);

/* May we start this unit? Asks the very gate that StartUnit has, and starts nothing. */
_must_check_ int kf_bus_may_start(struct kf_bus *bus, const char *unit,
				  const struct kf_patience *patience, bool *ret,
				  struct kf_error *err);

/* Call each with the name of every loaded service of Klipper's and Moonraker's. */
_must_check_ int kf_bus_printers(struct kf_bus *bus, const struct kf_patience *patience,
				 void (*each)(void *arg, const char *unit), void *arg,
				 struct kf_error *err);

#endif
