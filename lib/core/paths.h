/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The folders of our files (XDG Base Directory Specification 0.8). A variable that is not absolute
 * is ignored, as the specification demands.
 */
#ifndef KF_CORE_PATHS_H
#define KF_CORE_PATHS_H

#include <limits.h>

#include "core/error.h"

enum kf_dir {
	KF_DIR_CONFIG, /* $XDG_CONFIG_HOME/kalico-flash: devices.json, configs/KEY/.config */
	KF_DIR_CACHE,  /* $XDG_CACHE_HOME/kalico-flash: may be deleted at any time */
	KF_DIR_STATE,  /* $XDG_STATE_HOME/kalico-flash: kept firmware, history, logs, locks */
};

/*
 * A path below one of them: the printf-style name, or the folder itself if fmt is
 * "". Nothing is created. Returns 0 or -EINVAL (no home directory, or too long).
 */
_must_check_ int kf_path(enum kf_dir dir, char ret[PATH_MAX], struct kf_error *err, const char *fmt,
			 ...) _printf_(4, 5);

/* Format a path. -ENAMETOOLONG: it is too long; the message tells its beginning. */
_must_check_ int kf_path_format(char ret[PATH_MAX], struct kf_error *err, const char *fmt, ...)
	_printf_(3, 4);

/* A path that a user wrote: "~" and "~/..." become the home directory. Errors as above. */
_must_check_ int kf_path_expand(const char *path, char ret[PATH_MAX], struct kf_error *err);

/*
 * Check owner and mode of our folders: their files decide which firmware is built and flashed, so
 * no other user may write there. Each of our folders on the way to path, and path itself if it
 * exists, must be the user's own and not writable by everybody. No symbolic link on the way may be
 * another user's: one of the user's own is fine (dotfiles). KF_PERMISSION names the owner, and what
 * to do. 0 for a path that is in none of our folders.
 */
_must_check_ int kf_path_check(const char *path, struct kf_error *err);

/*
 * Find the real path of a file of ours: a user may have linked it elsewhere (dotfiles, one
 * configuration for two boards), and a rename must not replace the link. It need not exist.
 */
_must_check_ int kf_path_follow(char path[PATH_MAX], struct kf_error *err);

#endif
