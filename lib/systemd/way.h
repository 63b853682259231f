/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A way to keep units down and to bring them back, whatever becomes of us. hold.c looks at
 * the units, takes the first way of its table that is to be had, and leaves the rest to it.
 */
#ifndef KF_SYSTEMD_WAY_H
#define KF_SYSTEMD_WAY_H

#include "systemd/hold.h"
#include "systemd/units.h"

struct kf_held {
	char name[KF_NAME_SIZE];
	struct kf_unit_state before;
	bool owed; /* from before it is asked to stop until it runs again */
	bool stopped;
	bool by_sudo;	  /* the sentinel has to start it so */
	int64_t since_ms; /* when it was asked to stop */
};

struct kf_unit_hold {
	struct kf_systemd *systemd;
	struct kf_unit_hold_options options;
	const struct kf_way *way;
	void *own;		/* the way's; NULL until it has opened */
	struct kf_error barred; /* why a lease is not for this user or these units */
	int turn;		/* its own to begin, until it has taken what it holds; or -1 */
	size_t count;
	struct kf_held units[KF_HOLD_UNITS_MAX];
};

struct kf_way {
	const char *name;
	/* Would it be had for this unit? Found without doing anything. NULL: it guarantees nothing.
	 */
	bool (*may)(struct kf_systemd *systemd, const char *unit);
	/*
	 * Is it to be had here, by this user, for these units? 1, or 0 and err says why not;
	 * an error ends the search. Nothing is stopped yet.
	 */
	int (*open)(struct kf_unit_hold *hold, struct kf_error *err);
	/* These are kf_unit_hold_take, _run (NULL: kf_command_run) and _release. */
	int (*take)(struct kf_unit_hold *hold, struct kf_error *err);
	int (*run)(struct kf_unit_hold *hold, const struct kf_command *command,
		   struct kf_command_end *ret, struct kf_error *err);
	int (*release)(struct kf_unit_hold *hold, struct kf_error *err);
	void (*close)(struct kf_unit_hold *hold); /* free own; NULL: there is nothing in it */
};

/* kf-leased does it, and so does PID 1 if that dies: the socket in KF_LEASE_SOCKET, lease.h. */
extern const struct kf_way kf_way_lease;

/* PID 1 starts them when the last process of a scope ends: the command's. By D-Bus or by sudo. */
extern const struct kf_way kf_way_scope;
extern const struct kf_way kf_way_sudo_scope;

/* A process of ours, in a session of its own, starts them if we die. */
extern const struct kf_way kf_way_sentinel;

/* We stop and start them, by whatever right we have: they come back as long as we live. */
extern const struct kf_way kf_way_direct;
int kf_way_direct_take(struct kf_unit_hold *hold, struct kf_error *err);
int kf_way_direct_release(struct kf_unit_hold *hold, struct kf_error *err);

/* KF_SERVICE_LOST: why says what failed, lost ("a.service b.service") is the rest of the command.
 */
int kf_way_lost(const char *why, const char *lost, struct kf_error *err);

#endif
