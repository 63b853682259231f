/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where our files live (XDG Base Directory Specification 0.8). A variable that is
 * not absolute is ignored, as the specification demands.
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

/* A path that a user wrote: "~" and "~/..." become the home directory. Errors as above. */
_must_check_ int kf_path_expand(const char *path, char ret[PATH_MAX], struct kf_error *err);

/*
 * Where path, a file of ours, really is: a user may have linked it elsewhere (dotfiles, one
 * configuration for two boards), and a rename must not replace the link. Missing is fine.
 */
_must_check_ int kf_path_follow(char path[PATH_MAX], struct kf_error *err);

#endif
