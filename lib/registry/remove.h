/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Remove a board from the registry, with or without its saved configuration. */
#ifndef KF_REGISTRY_REMOVE_H
#define KF_REGISTRY_REMOVE_H

#include "core/error.h"

/* The options. A question is asked on the terminal for each that is not set. */
struct kf_remove {
	bool yes;	 /* remove it; the configuration then stays unless drop is set too */
	bool keep, drop; /* the saved configuration */
};

/*
 * Returns 1 when it is removed, 0 when the user answered no. *ret is a new reference: the device
 * as it was, and, if it had a saved configuration, "config_deleted". KF_NOT_REGISTERED; KF_USAGE
 * for keep and drop at once, and where nobody can be asked, the hint has the options; and as
 * kf_registry_open, kf_dir_remove. Nothing is removed before the last question is answered.
 */
_must_check_ int kf_remove_board(const struct kf_remove *how, const char *key, json_t **ret,
				 struct kf_error *err);

#endif
