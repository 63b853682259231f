/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The katapult method: our own conversation with the bootloader, every byte read back. */
#ifndef KF_FLASH_METHOD_KATAPULT_H
#define KF_FLASH_METHOD_KATAPULT_H

#include "flash/attempt.h"

/*
 * The refusals of the katapult method, before another one writes to the board, which stays in
 * Katapult. Where Katapult gives no answer nothing is refused. If the method needs the chip's ROM
 * instead, it is always refused, with KF_NO_KATAPULT. Only sent_back is set.
 */
_must_check_ int kf_method_katapult_check(struct kf_attempt *a, struct kf_error *err);

/*
 * Katapult was installed on the board, and waits there: is it the one in that image? *ret_version
 * is its own answer. KF_WRONG_VERSION: it is another one; errors of kf_katapult_connect.
 */
_must_check_ int kf_method_katapult_installed(const struct kf_board *board,
					      const struct kf_dictionary *want, int64_t deadline_ms,
					      char ret_version[KF_NAME_SIZE], struct kf_error *err);

#endif
