/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A unit's lock says that somebody holds the unit: a name that one socket on the machine can
 * have, of whichever user (unix(7), abstract sockets). It ends with the last process that has it
 * open, whatever that died of.
 */
#ifndef KF_SYSTEMD_UNITLOCK_H
#define KF_SYSTEMD_UNITLOCK_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/error.h"

/* *ret is to be closed in each process that inherits it. KF_BUSY: another has the lock. */
_must_check_ int kf_unitlock_take(const char *unit, int *ret, struct kf_error *err);

/* Is it taken? *ret is by whom: that process may be gone, and others have it open; 0: unknown. */
bool kf_unitlock_owner(const char *unit, pid_t *ret);

/* KF_BUSY, in words for the user. */
int kf_unitlock_refuse(const char *unit, pid_t owner, struct kf_error *err);

#endif
