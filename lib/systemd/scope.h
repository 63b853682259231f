/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Transient scopes (systemd.scope(5)): a cgroup of its own around processes that run already. */
#ifndef KF_SYSTEMD_SCOPE_H
#define KF_SYSTEMD_SCOPE_H

#include <sys/types.h>

#include "systemd/bus.h"
#include "systemd/hold.h"

/* What the name of each begins with; the pid of what it was made for follows. */
#define KF_SCOPE_PREFIX "kf-hold-"

struct kf_scope {
	const char *name; /* "kf-hold-812.scope" */
	pid_t pid;	  /* the process that is moved there */
	/*
	 * What systemd starts when the last process in it has ended, whatever it died of; NULL
	 * after the last. Without any (an empty list) the scope only shelters the process.
	 */
	const char *units[KF_HOLD_UNITS_MAX + 1];
};

/* KF_PERMISSION: polkit, or sudo, says no. KF_SERVICE: systemd does, or cannot (before 249). */
_must_check_ int kf_scope_start(struct kf_bus *bus, const struct kf_scope *scope,
				const struct kf_patience *patience, struct kf_error *err);

/* The same by `sudo -n busctl`; bus is only listened to. */
_must_check_ int kf_scope_start_sudo(struct kf_bus *bus, const struct kf_scope *scope,
				     const struct kf_patience *patience, struct kf_error *err);

/* Can this systemd start units at a scope's end (249 and later)? */
bool kf_scope_can(struct kf_bus *bus, const struct kf_patience *patience);

/* Would we be let, and can this systemd start units at a scope's end? Starts nothing. */
bool kf_scope_may(struct kf_bus *bus, const struct kf_patience *patience);
bool kf_scope_may_sudo(struct kf_bus *bus, const struct kf_patience *patience);

#endif
