/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A folder of links to a source tree, for `make flash` and flash-sdcard.sh: these build
 * rp2040_flash, hid-flash, bossac, fatfs.so and c_helper.so in the tree, and have no variable to
 * put them elsewhere. Here they are written beside the links, below our cache, and the user's tree
 * does not change.
 */
#ifndef KF_BUILD_LINKED_H
#define KF_BUILD_LINKED_H

#include "build/tree.h"

/* The path of the folder for a tree (tree_dir is absolute). It may not exist yet. Errors as
 * kf_path. */
_must_check_ int kf_linked_path(const char *tree_dir, char ret[PATH_MAX], struct kf_error *err);

/*
 * Make the folder, or bring it up to date: ret->dir is the folder. Its lib/bossac, lib/hidflash and
 * lib/rp2040_flash are folders of its own, with links to the tree's files, and scripts/spi_flash
 * and klippy/chelper with copies; all else is a link to the tree's. What was built there stays.
 * *lock keeps others out until the caller closes it. KF_BUSY: another flash uses it at deadline_ms.
 * KF_INTERRUPTED, KF_IO and the like.
 */
_must_check_ int kf_linked_tree(const struct kf_tree *tree, int64_t deadline_ms,
				struct kf_tree *ret, int *lock, struct kf_error *err);

#endif
