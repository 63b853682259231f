/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A configuration that was proved to give the firmware on a board becomes the saved one. */
#ifndef KF_BUILD_PROVED_CONFIG_H
#define KF_BUILD_PROVED_CONFIG_H

#include "build/configuring.h"

/*
 * Prove a configuration, save it unless it is saved, and note the proof. *ret_saved is what was
 * saved, for people: "; saved". A board in Katapult is first sent back to its firmware, to be
 * asked. Errors as kf_prove_board; KF_CONFIG_DIFFERENCE: not the saved one was proved, and nobody
 * can be asked.
 */
_must_check_ int kf_proved_config(struct kf_configure *c, const struct kf_board *board,
				  const char **ret_saved, struct kf_error *err);

#endif
