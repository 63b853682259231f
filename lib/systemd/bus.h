/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * systemd's manager on the system bus (org.freedesktop.systemd1(5)). Every call is
 * asynchronous underneath, so that a deadline or a stop signal ends it; nothing here ever
 * makes polkit ask for a password.
 *
 * If the connection is lost, or systemd restarts, the call is repeated until the deadline. Besides
 * what a function names it returns -ETIMEDOUT (KF_TIMEOUT), -EINTR (KF_INTERRUPTED), or -ECANCELED:
 * the lease client of the deadline has hung up or shut down its side.
 */
#ifndef KF_SYSTEMD_BUS_H
#define KF_SYSTEMD_BUS_H

#include "systemd/unit.h"

struct kf_bus;

/* The end of a wait: a deadline or an event. */
struct kf_deadline {
	int64_t ms;   /* on the clock of kf_now_ms */
	bool through; /* a stop signal does not end it: for a pending restart */
	int client;   /* a connection whose end by the client ends it; 0: none */
};

/* KF_SERVICE: no bus, or no systemd on it. */
_must_check_ int kf_bus_open(const struct kf_deadline *deadline, struct kf_bus **ret,
			     struct kf_error *err);
void kf_bus_close(struct kf_bus **bus);

/* A unit that systemd does not know is not an error here: its load state is not-found. */
_must_check_ int kf_bus_state(struct kf_bus *bus, const char *unit,
			      const struct kf_deadline *deadline, struct kf_unit_state *ret,
			      struct kf_error *err);

/* The same, but KF_SERVICE if there is no such unit; the hint names those that there are. */
_must_check_ int kf_bus_known(struct kf_bus *bus, const char *unit,
			      const struct kf_deadline *deadline, struct kf_unit_state *ret,
			      struct kf_error *err);

/* Wait until reached() is true of the unit's state. */
_must_check_ int kf_bus_wait(struct kf_bus *bus, const char *unit,
			     bool (*reached)(const struct kf_unit_state *state),
			     const struct kf_deadline *deadline, struct kf_error *err);

/*
 * Stop all of these units: the stop of each is asked for first, and then the end of each is waited
 * for. Inactive already is success. KF_PERMISSION: polkit refuses. KF_SERVICE: systemd refuses, or
 * the job failed: the message has its result.
 */
_must_check_ int kf_bus_stop(struct kf_bus *bus, const char *const *units, size_t count,
			     const struct kf_deadline *deadline, struct kf_error *err);

/*
 * Start a unit and wait until it is active. Active already is success. Where systemd refuses it for
 * having started too often, the counter is reset first. Errors are those of kf_bus_stop.
 */
_must_check_ int kf_bus_start(struct kf_bus *bus, const char *unit,
			      const struct kf_deadline *deadline, struct kf_error *err);

/* Call each with the name of every loaded service of Klipper's and Moonraker's. */
_must_check_ int kf_bus_printers(struct kf_bus *bus, const struct kf_deadline *deadline,
				 void (*each)(void *arg, const char *unit), void *arg,
				 struct kf_error *err);

#endif
