/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The state of a source tree, as git knows it, and as its bytes are where git does not. */
#ifndef KF_BUILD_SOURCE_H
#define KF_BUILD_SOURCE_H

#include "build/tree.h"

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
 * A hash that changes whenever the firmware may: of the commit, the tags and whether git calls the
 * tree dirty (all of which the version in the firmware says), and of the bytes of all that make
 * reads, where git does not know them: changed and new files, Kalico's extras, no git. A change in
 * klippy/ alone makes a tree dirty and no more.
 *
 * Files that git was told to take for unchanged (update-index --assume-unchanged) are not seen.
 *
 * Errors as kf_tree_describe; KF_PERMISSION, KF_IO: a file cannot be read.
 */
_must_check_ int kf_source_hash(const struct kf_tree *tree, char ret[KF_HEX_SIZE],
				struct kf_error *err);

#endif
