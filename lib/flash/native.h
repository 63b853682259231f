/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The katapult method: our own conversation with the bootloader, every byte read back. */
#ifndef KF_FLASH_NATIVE_H
#define KF_FLASH_NATIVE_H

#include "flash/attempt.h"

/*
 * Connect, compare MCU and application address with the image, read the flash up to the first block
 * that differs (unless forced), write, read back, let the board go. A refusal (KF_MCU_MISMATCH,
 * KF_WRONG_OFFSET) comes before anything is written and sends the board back to the firmware that
 * it has, if that is whole. KF_LEFT_IN_BOOTLOADER: all is there, but it does not let go.
 */
_must_check_ int kf_native_flash(struct kf_attempt *a, struct kf_error *err);

/*
 * The same refusals, before another program writes to the board, which stays in Katapult. Where
 * Katapult gives no answer nothing is refused. wanted is the bootloader that the method needs
 * instead of Katapult: then it is always refused, with KF_NO_KATAPULT; NULL: Katapult will do. Only
 * sent_back is set.
 */
_must_check_ int kf_native_check(struct kf_attempt *a, const char *wanted, struct kf_error *err);

/*
 * Katapult was installed on the board, and waits there: is it the one in that image? *ret_version
 * is what it says. KF_WRONG_VERSION: it is another one; what kf_katapult_connect says.
 */
_must_check_ int kf_native_installed(const struct kf_board *board, const struct kf_dictionary *want,
				     int64_t deadline_ms, char ret_version[KF_NAME_SIZE],
				     struct kf_error *err);

#endif
