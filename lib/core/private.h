/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whose hands our folders are in. What lies there decides what is built and flashed, so nobody
 * else may write there: not below $XDG_CONFIG_HOME, $XDG_CACHE_HOME nor
 * $XDG_STATE_HOME/kalico-flash.
 */
#ifndef KF_CORE_PRIVATE_H
#define KF_CORE_PRIVATE_H

#include "core/error.h"

/*
 * May path be used? Of our folders each one on the way to it, and path itself if it is there,
 * must be the user's own and not writable by everybody, and no symbolic link of another user's
 * may be on the way. Other paths are not ours to judge: 0. KF_PERMISSION says whose it is and
 * what to do.
 */
_must_check_ int kf_private_check(const char *path, struct kf_error *err);

#endif
