/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sdcard method: the tree's flash-sdcard.sh has Klipper, while it runs, write the firmware to
 * the board's SD card, and resets the board, whose own bootloader then installs it. Boards that
 * reach their card by SDIO do so only after the power was off: nothing can wait for that.
 */
#ifndef KF_FLASH_SDCARD_H
#define KF_FLASH_SDCARD_H

#include "flash/plan.h"
#include "flash/progress.h"

/* Its own connection may take 60 s, three times; it sends the image at 400 kHz, and reads it back.
 */
#define KF_SDCARD_MS 300000

/*
 * flash-sdcard.sh of a copy of image that nobody else writes to, while Klipper runs on the board.
 * Its port stays unlocked: the script locks it. KF_FLASH_FAILED names the log.
 */
_must_check_ int kf_sdcard(const struct kf_plan *plan, const struct kf_image *image,
			   const struct kf_board *board, int64_t deadline_ms,
			   const struct kf_progress *progress, struct kf_error *err);

#endif
