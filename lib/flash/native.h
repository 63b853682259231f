/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The katapult method: our own conversation with the bootloader, every byte read back. */
#ifndef KF_FLASH_NATIVE_H
#define KF_FLASH_NATIVE_H

#include "flash/plan.h"
#include "flash/progress.h"

struct kf_native {
	bool current;	/* the flash had the image already: nothing was written */
	bool begun;	/* the first block has gone out */
	bool sent_back; /* nothing was written, and it was told to start its firmware again */
	bool readback;	/* every byte of the image was read back and is right */
};

/*
 * board is in Katapult. Connect, compare MCU and application address with the image,
 * read the flash up to the first block that differs (unless forced), write, read back, let
 * the board go. A refusal (KF_MCU_MISMATCH, KF_WRONG_OFFSET) comes before anything is written and
 * sends the board back to the firmware that it has, if that is whole. KF_LEFT_IN_BOOTLOADER: all is
 * there, but it does not let go. *ret is filled also on failure.
 */
_must_check_ int kf_native_flash(const struct kf_plan *plan, const struct kf_image *image,
				 const struct kf_board *board, int64_t deadline_ms,
				 const struct kf_progress *progress, struct kf_native *ret,
				 struct kf_error *err);

/*
 * The same refusals, before another program writes to board, which is in Katapult and stays
 * there. Where Katapult gives no answer nothing is refused. *ret: only sent_back is set.
 */
_must_check_ int kf_native_check(const struct kf_plan *plan, const struct kf_image *image,
				 const struct kf_board *board, int64_t deadline_ms,
				 struct kf_native *ret, struct kf_error *err);

#endif
