/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a unit is doing, as systemd's properties say: org.freedesktop.systemd1(5), "Unit
 * Objects". Pure text, no I/O: D-Bus and systemctl(1) both fill it.
 */
#ifndef KF_SYSTEMD_STATE_H
#define KF_SYSTEMD_STATE_H

#include "core/error.h"

struct kf_unit_state {
	char load[32];	    /* loaded, not-found, masked ... */
	char active[32];    /* active, inactive, failed, activating ... */
	char sub[32];	    /* running, dead ... */
	char unit_file[32]; /* enabled, disabled, static ...; may be empty */
	char description[KF_NAME_SIZE];
	char result[32];       /* of its last run: success, exit-code, start-limit-hit ... */
	uint32_t pid;	       /* MainPID; 0: none */
	char id[KF_NAME_SIZE]; /* its own name, where it was asked for by an alias */
	/* Names with a space between them. */
	char owed_by[1024];   /* units at whose end systemd starts it */
	char stops_too[4096]; /* units that systemd stops along with it */
	bool cut;	      /* one of these is not whole */
	bool can_start;	      /* not RefuseManualStart= */
	bool transient;	      /* has no file: forgotten once it is stopped */
	bool starting;	      /* a job to start or restart it is queued */
	bool ending;	      /* one to stop it is */
};

/* Take one property in the spelling of systemctl show; others are passed over. A list grows. */
void kf_unit_state_set(struct kf_unit_state *state, const char *name, const char *value);

/* Take the type of the unit's queued job (org.freedesktop.systemd1(5), "Job Objects"). */
void kf_unit_state_job(struct kf_unit_state *state, const char *type);

/* Would its user say that it runs (active, reloading, on its way up)? */
bool kf_unit_is_up(const struct kf_unit_state *state);

/* Is it active, or reloading, and not about to stop? That is the end of a start. */
bool kf_unit_runs(const struct kf_unit_state *state);

/* Has it ended, however (inactive or failed)? Between up and down: deactivating, or about to. */
bool kf_unit_is_down(const struct kf_unit_state *state);

/* Is it not on its way down, whatever comes after that? Is nothing under way with it at all? */
bool kf_unit_is_past_ending(const struct kf_unit_state *state);
bool kf_unit_is_settled(const struct kf_unit_state *state);

/* Why systemd would not start it again once it is stopped (masked ...), or NULL. */
const char *kf_unit_stuck(const struct kf_unit_state *state);

#endif
