/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Taking a board out of the registry, with or without its saved configuration. */
#ifndef KF_KLIPPER_RETIRE_H
#define KF_KLIPPER_RETIRE_H

#include "core/error.h"

/* What the person said beforehand. What was not said is asked on the terminal. */
struct kf_retire {
	bool yes;	 /* remove it; the configuration then stays unless drop is said too */
	bool keep, drop; /* the saved configuration */
};

/*
 * Returns 1 when it is out, 0 when the person said no. *ret is a new reference: the device
 * as it was, and, if it had a saved configuration, "config_deleted". KF_NOT_REGISTERED; KF_USAGE
 * for keep and drop at once, and where nobody can be asked, the hint has the options; and as
 * kf_registry_open, kf_dir_remove. Nothing is removed before the last question is answered.
 */
_must_check_ int kf_retire_board(const struct kf_retire *how, const char *key, json_t **ret,
				 struct kf_error *err);

#endif
