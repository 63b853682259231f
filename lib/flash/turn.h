/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Boards are flashed side by side, but other programs than ours one after the other: they may
 * find a board by what all boards in DFU have in common. A byte in a pipe is the turn.
 */
#ifndef KF_FLASH_TURN_H
#define KF_FLASH_TURN_H

#include "flash/plan.h"

/* Wait for the turn, if method needs one. KF_BUSY, KF_INTERRUPTED. */
_must_check_ int kf_turn_take(const struct kf_flash_options *options, enum kf_method method,
			      struct kf_error *err);
void kf_turn_give(const struct kf_flash_options *options, enum kf_method method);

#endif
