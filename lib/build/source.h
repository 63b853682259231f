/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The state of a source tree: git's commit, and the bytes of files that are in no commit. */
#ifndef KF_BUILD_SOURCE_H
#define KF_BUILD_SOURCE_H

#include "build/tree.h"

/* The environment of each git that we start: it is led to no other repository, and asks nothing. */
extern const char *const kf_git_env[];

/*
 * Start git in a tree, which it only reads. complaint takes its standard error (-1: nobody does).
 * For a tree without a .git ret->pid stays 0. Errors as kf_output_start.
 */
_must_check_ int kf_git_start(const struct kf_tree *tree, const char *const *argv, int complaint,
			      struct kf_output *ret, struct kf_error *err);

/*
 * Fill tree->version with what Klipper writes into the image too: what "git describe --always
 * --tags --long --dirty" says, which walks the history to the nearest tag. It stays empty for a
 * tree without a .git.
 *
 *   KF_PERMISSION    git refuses the tree, which is another user's; the hint has the command
 *   KF_NO_TOOLCHAIN  the tree has a .git, and there is no git
 *   KF_NO_TREE       git cannot read it, in its own words
 *   KF_TIMEOUT       git did not answer within tree->git_ms
 *
 * KF_INTERRUPTED.
 */
_must_check_ int kf_tree_describe(struct kf_tree *tree, struct kf_error *err);

/*
 * The source hash. It changes whenever the firmware may: it is a hash of the commit, of the tags
 * and of whether git calls the tree dirty (the version in the firmware says all of these). If the
 * tree has changed or new files, Kalico's extras or no git, it is also a hash of the bytes of all
 * files that make may read. A change in klippy/ alone only makes the tree dirty.
 *
 * Files that git was told to take for unchanged (update-index --assume-unchanged) are not seen.
 *
 * Errors as kf_tree_describe; KF_PERMISSION, KF_IO: a file cannot be read.
 */
_must_check_ int kf_source_hash(const struct kf_tree *tree, char ret[KF_HEX_SIZE],
				struct kf_error *err);

#endif
