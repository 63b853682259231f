/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keys that a person has not typed to their end. */
#ifndef KF_REGISTRY_PREFIX_H
#define KF_REGISTRY_PREFIX_H

#include "registry/registry.h"

/*
 * Find the key that typed means: itself, if it is registered or described, or begins no key
 * (*ret_short is false then, and *ret is typed), else the only key that begins with it. *ret
 * belongs to the registry. KF_USAGE (-EINVAL): it begins several keys, or that of a board that is
 * excluded, which is chosen by its whole key only.
 */
_must_check_ int kf_prefix_find(const struct kf_registry *registry, const char *typed,
				const char **ret, bool *ret_short, struct kf_error *err);

#endif
