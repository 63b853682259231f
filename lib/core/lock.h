/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One at a time: a lock that its holder's death releases. */
#ifndef KF_CORE_LOCK_H
#define KF_CORE_LOCK_H

#include "core/error.h"

/* Tools wait so long for another kalico-flash tool, unless --wait says otherwise. */
#define KF_WAIT_MS 60000

/*
 * Take an exclusive lock on path (created 0600 if missing), waiting until
 * deadline_ms; closing *ret releases it. Children that exec do not inherit it.
 * KF_BUSY names the process that holds it when the deadline passes.
 */
_must_check_ int kf_lock_take(const char *path, int64_t deadline_ms, int *ret,
			      struct kf_error *err);

/*
 * The same on what is open already, a folder for example, without a note of who has it. -EBUSY when
 * the deadline passes, -EINTR, or flock's error.
 */
_must_check_ int kf_lock_fd(int fd, int64_t deadline_ms);

#endif
