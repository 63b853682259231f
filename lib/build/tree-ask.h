/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The source tree of a board for which none is found: asked for once, and kept for all boards. */
#ifndef KF_BUILD_TREE_ASK_H
#define KF_BUILD_TREE_ASK_H

#include "registry/registry.h"

/* Is there no tree for this registered or described board, and did nobody name one? */
bool kf_tree_is_missing(const struct kf_registry *registry, const char *key);

/*
 * Ask until a tree is named; it becomes "klipper_dir" of all boards, in devices.json and in
 * registry. 0 also where nothing is typed or the user leaves: then the board fails for want of a
 * tree. Errors of kf_terminal_ask and kf_device_set.
 */
_must_check_ int kf_tree_ask(int tty, struct kf_registry *registry, struct kf_error *err);

#endif
