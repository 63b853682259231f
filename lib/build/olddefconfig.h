/* SPDX-License-Identifier: GPL-3.0-or-later */
/* make olddefconfig on text that is no saved configuration: the board's own, or a proposal. */
#ifndef KF_BUILD_OLDDEFCONFIG_H
#define KF_BUILD_OLDDEFCONFIG_H

#include "build/configuring.h"

/*
 * Write text to dir/.config, let c->tree complete it there, and read it. The caller frees *ret.
 * Only one process may use dir at a time. Waits up to c->wait_ms for another make in the tree, and
 * c->timeout_ms for this one. Errors as kf_kconfig_load and kf_tree_make; KF_BUILD_FAILED: make's
 * last line, and err->log.
 */
_must_check_ int kf_olddefconfig(const struct kf_configure *c, const char *dir, const char *text,
				 struct kf_kconfig *ret, struct kf_error *err);

/*
 * Let the tree complete the proposal, and ask it which questions are open: after kf_proposal_make,
 * and after each answer. The caller frees *ret_config. Errors as kf_olddefconfig.
 */
_must_check_ int kf_proposal_complete(struct kf_proposal *proposal, const struct kf_configure *c,
				      const struct kf_told *told, const char *dir,
				      struct kf_kconfig *ret_config, struct kf_error *err);

#endif
