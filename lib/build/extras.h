/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each run of Kalico's Makefile writes src/extras/Kconfig and src/extras/Makefile into its tree,
 * whatever OUT is (scripts/find-firmware-extras.sh). If they did not exist before our make, they
 * are removed after it.
 */
#ifndef KF_BUILD_EXTRAS_H
#define KF_BUILD_EXTRAS_H

#include "core/error.h"

struct kf_extras {
	int dir;     /* src/extras, with our lock on it; -1: the tree has none */
	int src;     /* src, with a lock if absent is true; or -1 */
	bool absent; /* neither file existed before the first make of ours that runs now */
};

/*
 * Call before make. If the user has extras, each make rewrites files that another one may be
 * reading: this waits until deadline_ms for other kalico-flash processes, and keeps them out until
 * kf_extras_restore. KF_BUSY, KF_INTERRUPTED.
 */
_must_check_ int kf_extras_note(const char *tree_dir, int64_t deadline_ms, struct kf_extras *ret,
				struct kf_error *err);

/*
 * Call after make: removes the files, unless another make of ours runs in the same tree and may
 * read them.
 */
void kf_extras_restore(struct kf_extras *extras);

/* Does the tree have an extra? Without one, the files that its makes write are empty. */
bool kf_extras_any(const char *tree_dir);

#endif
