/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An older revision of a source tree, checked out aside: a clone below our cache that shares the
 * objects of the user's repository. The user's tree is only read, and no network is used.
 */
#ifndef KF_BUILD_ASIDE_H
#define KF_BUILD_ASIDE_H

#include "build/tree.h"
#include "firmware/version.h"

/*
 * Check the revision that a firmware's version names out in dir, which is replaced. git describes
 * it there with as many digits as the version has. The caller removes dir in the end.
 *
 *   KF_NOT_PROVED    the tree has no git, or does not know the commit; the hint has the command
 *   KF_NO_TOOLCHAIN  there is no git
 *   KF_NO_TREE, KF_PERMISSION  git refuses the tree or the clone, in its own words
 *   KF_TIMEOUT, KF_INTERRUPTED, KF_IO
 */
_must_check_ int kf_aside_open(const struct kf_tree *tree, const struct kf_version *version,
			       const char *dir, int64_t deadline_ms, struct kf_tree *ret,
			       struct kf_error *err);

#endif
