/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A Klipper or Kalico source tree, only read: every make is given OUT= and KCONFIG_CONFIG= on its
 * command line (protocols.md, "The build").
 */
#ifndef KF_BUILD_TREE_H
#define KF_BUILD_TREE_H

#include <limits.h>

#include "core/process.h"

#define KF_GIT_MS 20000

struct kf_tree {
	char dir[PATH_MAX];	    /* absolute */
	int64_t git_ms;		    /* how long git may take to answer; kf_tree_open: KF_GIT_MS */
	char version[KF_NAME_SIZE]; /* empty: no git, or kf_tree_describe was not asked */
};

/*
 * Is dir (as the user wrote it, "~" allowed) a tree that make can use? KF_NO_TREE: it
 * is missing, has no Makefile or no src/Kconfig, or its path has a character that
 * make cannot take (space, #, $, :, %, ...).
 */
_must_check_ int kf_tree_open(const char *dir, struct kf_tree *ret, struct kf_error *err);

/* Is this path in the tree? */
bool kf_tree_has(const struct kf_tree *tree, const char *name);

/*
 * make OUT=out/ KCONFIG_CONFIG=config TARGET... in the tree. out ends in '/' and is made
 * if missing. targets is NULL-terminated (empty or NULL: all) and may hold NAME=value too. log_fd
 * takes its output (-1: nobody does); for menuconfig, tty is the terminal's descriptor for 0 and 1,
 * and a locale and TERM that are not installed are replaced: then log_fd takes only complaints.
 * Else tty is -1. *ret is wait(2)'s status.
 *
 * KF_NO_TOOLCHAIN: no make or python3. KF_CONFIG: out or config have a character that make
 * cannot take. Else as kf_process_run. The user's variables that would change the result
 * (MAKEFLAGS, KCONFIG_..., OUT ...) do not reach make.
 */
struct kf_make {
	const struct kf_tree *tree;
	const char *out, *config;
	const char *const *targets;
	/*
	 * The ends of a pipe, and -1: GNU make's jobserver ("POSIX Jobserver Interaction"). make
	 * always runs one job, and one more for each byte that it finds there. NULL: one job.
	 */
	const int *tokens;
	bool compile; /* through ccache, where that is installed */
	int tty, log_fd;
	int64_t wait_ms; /* kf_tree_make: for other makes, as kf_extras_note, within the deadline */
	int64_t deadline_ms;
};
_must_check_ int kf_tree_make(const struct kf_make *make, int *ret, struct kf_error *err);

/*
 * The same with the output in the file log, which is written anew, in place of log_fd.
 * KF_BUILD_FAILED, with make's last words, if make fails: as kf_make_failed.
 */
_must_check_ int kf_tree_make_logged(const struct kf_make *make, const char *log,
				     struct kf_error *err);

/*
 * The same without waiting: *ret is make's pid for kf_process_wait. The caller calls kf_extras_note
 * before this, and kf_extras_restore after make's end.
 */
_must_check_ int kf_tree_make_start(const struct kf_make *make, pid_t *ret, struct kf_error *err);

/*
 * make (of target, or "") ended with this status of wait(2); words, or "", say why.
 * KF_BUILD_FAILED, with err->log. If the disk of out, of the log, of temporary files or of ccache
 * is full, the message and the hint say so.
 */
int kf_make_failed(const struct kf_tree *tree, const char *target, int status, const char *words,
		   const char *out, const char *log, struct kf_error *err);

#endif
