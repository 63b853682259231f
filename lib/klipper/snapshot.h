/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a source tree is made of: every file that its build may read, each known by its
 * bytes. Below lib/ (200 MB of vendors' headers) a file is known by its size and times instead:
 * one that was only touched then counts as changed, which costs a build and no more.
 *
 * Not in it: .git, out, docs, config, test, .config*, and what Python leaves. Symbolic links count
 * as what they point to, so that extras linked into the tree do.
 */
#ifndef KF_KLIPPER_SNAPSHOT_H
#define KF_KLIPPER_SNAPSHOT_H

#include "core/error.h"

struct kf_source {
	char *path;	      /* below the tree */
	char id[KF_HEX_SIZE]; /* of its bytes, or of its size and times */
	int64_t size, mtime_ns, ctime_ns;
	uint64_t ino;
};

struct kf_snapshot {
	struct kf_source *list; /* by path */
	size_t count;
	int64_t taken_ns;	  /* CLOCK_REALTIME_COARSE when the look began */
	char sha256[KF_HEX_SIZE]; /* of all paths and ids */
};

/*
 * Look at the tree in dir (absolute). memory names a file that keeps what was hashed: what has the
 * same inode, size and times as then is not read again, unless it changed so shortly before that
 * look that a second change would not show. It is rewritten if it is out of date; one that
 * cannot be written is no error. What cannot be read is: KF_PERMISSION, KF_IO.
 */
_must_check_ int kf_snapshot_take(const char *dir, const char *memory, struct kf_snapshot *ret,
				  struct kf_error *err);

/* What a memory file holds: -ENOENT, or -EINVAL if it is damaged. */
_must_check_ int kf_snapshot_load(const char *memory, struct kf_snapshot *ret);

/*
 * Can make bring an output folder from was to now? Only C sources and headers of the tree's own
 * changed, none came or went, and each is younger than the end of that build (built_ns on
 * CLOCK_REALTIME_COARSE), for make compares times. All else it does not track.
 */
bool kf_snapshot_follows(const struct kf_snapshot *was, int64_t built_ns,
			 const struct kf_snapshot *now);

void kf_snapshot_free(struct kf_snapshot *snapshot);

#endif
