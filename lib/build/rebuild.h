/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The firmware that a revision checked out aside makes of a configuration; and the same firmware
 * around the dictionary of another build, so that the two can be compared byte for byte.
 */
#ifndef KF_BUILD_REBUILD_H
#define KF_BUILD_REBUILD_H

#include "build/tree.h"
#include "firmware/image.h"
#include "firmware/kconfig.h"

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
