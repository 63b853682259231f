/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A unit's name, and its state by systemd's properties: org.freedesktop.systemd1(5), "Unit
 * Objects". Pure text, no I/O.
 */
#ifndef KF_SYSTEMD_UNIT_H
#define KF_SYSTEMD_UNIT_H

#include "core/error.h"

/* At most so many are held at once, those that stop along included. */
#define KF_UNITS_MAX 32

struct kf_unit_state {
	char load[32];	       /* loaded, not-found, masked ... */
	char active[32];       /* active, inactive, failed, activating ... */
	char sub[32];	       /* running, dead, auto-restart ... */
	char unit_file[32];    /* enabled, disabled, static ...; may be empty */
	char result[32];       /* of its last run: success, exit-code, start-limit-hit ... */
	char job[64];	       /* the object of its queued job; "/": none */
	char since[24];	       /* when it became active last; empty: not known */
	uint32_t pid;	       /* MainPID; 0: none */
	char id[KF_NAME_SIZE]; /* its own name, where it was asked for by an alias */
	/* Names with a space between them. */
	char stops_too[4096]; /* units that systemd stops along with it */
	char starts[4096];    /* units that its start starts too */
	bool cut;	      /* stops_too is not whole */
	bool can_start;	      /* not RefuseManualStart= */
	bool transient;	      /* has no file: forgotten once it is stopped */
	bool starting;	      /* a job to start or restart it is queued */
	bool ending;	      /* one to stop it is */
};

/*
 * "klipper" means klipper.service; KF_USAGE for what cannot be a service's name (another
 * kind of unit, a template without instance, a pattern).
 */
_must_check_ int kf_unit_name(const char *name, char ret[KF_NAME_SIZE], struct kf_error *err);

/* Add its full name to a list, once. Errors are those of kf_unit_name; KF_USAGE: too many. */
_must_check_ int kf_unit_add(char (*units)[KF_NAME_SIZE], size_t *count, const char *name,
			     struct kf_error *err);

/* Is it one of a printer's services: klipper* or moonraker*, and a service? */
bool kf_unit_name_is_printers(const char *unit);

/* Get the next name of a list that is separated by spaces; false: the list has ended. */
bool kf_unit_next(const char **list, char ret[KF_NAME_SIZE]);

/* Set one property from text; others are ignored. A list grows. */
void kf_unit_state_set(struct kf_unit_state *state, const char *name, const char *value);

/* Set the type of the unit's queued job (org.freedesktop.systemd1(5), "Job Objects"). */
void kf_unit_state_job(struct kf_unit_state *state, const char *type);

/* Does it run in its user's eyes (active, reloading, about to start)? */
bool kf_unit_is_up(const struct kf_unit_state *state);

/* Is it active or reloading, and not about to stop? That is the end of a start. */
bool kf_unit_runs(const struct kf_unit_state *state);

/* Is it inactive or failed? */
bool kf_unit_is_down(const struct kf_unit_state *state);

/* Is it down, and no start is queued? That is the end of a stop. */
bool kf_unit_has_ended(const struct kf_unit_state *state);

/*
 * Is the unit neither starting nor stopping? A unit that crashed and waits for its next try is
 * settled too: a crash-looping unit may never get further.
 */
bool kf_unit_is_settled(const struct kf_unit_state *state);

/* Why systemd would not start it again once it is stopped (masked ...), or NULL. */
const char *kf_unit_stuck(const struct kf_unit_state *state);

#endif
