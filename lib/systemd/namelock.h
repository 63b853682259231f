/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A lock between the processes of all users of this machine, who have no folder in common: a
 * name that one socket at a time can have (unix(7), abstract sockets). It ends with the last
 * process that has it open, whatever that died of.
 */
#ifndef KF_SYSTEMD_NAMELOCK_H
#define KF_SYSTEMD_NAMELOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base.h"

/*
 * Take it, waiting until deadline_ms (0: not at all). *ret is to be closed in each process that
 * inherits it. -EBUSY: *owner has it (kf_namelock_owner). -EINTR: a stop signal came.
 */
_must_check_ int kf_namelock_take(const char *name, int64_t deadline_ms, int *ret, pid_t *owner);

/* Is it taken? *ret is by whom: that process may be gone, and others have it open; 0: unknown. */
bool kf_namelock_owner(const char *name, pid_t *ret);

#endif
