/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A configuration that is not saved yet: what the board's firmware carries, or a proposal that the
 * user completes. Answers that made what is saved may be wrong, until a flash with them was
 * verified: such a configuration is begun anew (docs/proposals.md).
 */
#ifndef KF_BUILD_NEW_CONFIG_H
#define KF_BUILD_NEW_CONFIG_H

#include "build/configuring.h"
#include "registry/config-note.h"

struct kf_new_config {
	char path[PATH_MAX]; /* of a file in the cache */
	char *text; /* of it, for menuconfig to begin with; NULL: it is to be saved; owned */
	struct kf_answers before, answers; /* those that the saved one was made with; and now */
	bool proposed;			   /* not carried by the firmware */
	char differs[KF_DIFFERS_SIZE];	   /* as kf_from_board_differs has it */
	bool again;			   /* ours: ask those before once more */
};

/*
 * Ask the board, and then the user. nothing: nothing is saved. 1: *ret is begun, and the caller
 * frees ret->text; 0: what is saved holds, and ret->differs is set. Errors as kf_configure_ask,
 * kf_from_board and kf_propose_ask; c->told as there.
 */
_must_check_ int kf_new_config(struct kf_configure *c, const struct kf_board *board, bool nothing,
			       struct kf_new_config *ret, struct kf_error *err);

#endif
