/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An older revision of a source tree, checked out aside: a clone below our cache that shares the
 * objects of the user's repository. The user's tree is only read, and no network is used. It is
 * built there, also around the dictionary of another build, so that the two can be compared byte
 * for byte.
 */
#ifndef KF_BUILD_ASIDE_H
#define KF_BUILD_ASIDE_H

#include "build/tree.h"
#include "firmware/image.h"
#include "firmware/kconfig.h"
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

struct kf_rebuild {
	const struct kf_tree *tree; /* aside: never the user's */
	const char *dir;	    /* of ours; what make leaves is below it */
	const char *log;	    /* make's output */
	unsigned number;	    /* of this configuration: its folder there */
	const struct kf_kconfig *config;
	int64_t wait_ms; /* for another make in the same tree */
};

/*
 * Build it. The caller frees *ret.
 *
 *   KF_NO_TOOLCHAIN, KF_BUILD_FAILED (err->log), KF_TIMEOUT, KF_INTERRUPTED, KF_IO
 *
 * as kf_image_load.
 */
_must_check_ int kf_rebuild(const struct kf_rebuild *rebuild, struct kf_image *ret,
			    struct kf_error *err);

/*
 * Link what kf_rebuild left there again, with len bytes of another build's packed dictionary
 * (Klipper's "command_identify_data") in place of its own: all else moves as it does in that build.
 * Errors as above; KF_BUILD_FAILED also where that revision keeps its dictionary elsewhere.
 */
_must_check_ int kf_rebuild_around(const struct kf_rebuild *rebuild, const uint8_t *packed,
				   size_t len, struct kf_image *ret, struct kf_error *err);

#endif
