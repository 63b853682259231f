/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What Kalico's own Makefile writes into its tree on every run, whatever OUT is: src/extras/Kconfig
 * and src/extras/Makefile (scripts/find-firmware-extras.sh). Where they were not
 * there before our make, they are not there after it.
 */
#ifndef KF_BUILD_EXTRAS_H
#define KF_BUILD_EXTRAS_H

#include "core/error.h"

struct kf_extras {
	int dir;     /* src/extras, with our lock on it; -1: the tree has none */
	bool absent; /* neither file was there, and nobody else of ours uses the tree */
};

/*
 * Look, before make. Without the folder there is nothing to keep clean. Where the user has extras
 * of their own, each make rewrites what the others read: this one waits until deadline_ms for those
 * of ours to end, and keeps them out until kf_extras_restore. KF_BUSY, KF_INTERRUPTED.
 */
_must_check_ int kf_extras_note(const char *tree_dir, int64_t deadline_ms, struct kf_extras *ret,
				struct kf_error *err);

/*
 * Clean up, after make. Files are left to stand while another make of ours runs in the
 * same tree, which may be about to read them.
 */
void kf_extras_restore(struct kf_extras *extras);

/* Has the tree any extra, so that what its makes write is more than an empty file? */
bool kf_extras_any(const char *tree_dir);

#endif
