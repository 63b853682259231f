/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an output folder was made from, left in it by the build that finished it. From
 * this the next build knows whether it must run make at all, and whether on top or from nothing.
 */
#ifndef KF_KLIPPER_STAMP_H
#define KF_KLIPPER_STAMP_H

#include "klipper/snapshot.h"
#include "klipper/tree.h"

struct kf_stamp {
	char base[KF_HEX_SIZE];	  /* of all but the sources: another one means: from nothing */
	char source[KF_HEX_SIZE]; /* the tree's snapshot */
	char build[KF_HEX_SIZE];  /* of all: the same one means the same firmware */
	int64_t built_ns;	  /* CLOCK_REALTIME_COARSE when make had ended; 0: not yet */
};

/*
 * What a build would be made from. The revision (kf_revision_answer) is in it because the firmware
 * says it: a commit changes the firmware even where no source changes. A build's date is not: a
 * dirty tree's version ends in date and host, and nothing is flashed again only because time has
 * passed.
 */
void kf_stamp_of(const struct kf_tree *tree, const char *revision,
		 const struct kf_snapshot *snapshot, const char *config_sha256,
		 const char *toolchain, struct kf_stamp *ret);

/* The one in out, which ends in '/'; false if there is none, so what is in out is of no use. */
bool kf_stamp_load(const char *out, struct kf_stamp *ret);

/*
 * After make: was is complete now. memory is the snapshot's file, a copy of which stays in
 * out. Without it (or where this fails) the next build only takes longer.
 */
void kf_stamp_save(const char *out, struct kf_stamp *stamp, const char *memory);

/* Before make: what is in out from here on is not what a stamp says. Errors as unlink(2). */
_must_check_ int kf_stamp_remove(const char *out, struct kf_error *err);

/*
 * Can make go on in out, and give the bytes that it would give from nothing? If it can, what make
 * would keep although the version changed is removed.
 */
bool kf_stamp_continue(const char *out, const struct kf_stamp *want, const struct kf_snapshot *now);

#endif
