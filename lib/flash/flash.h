/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One board from its plan to its result. The result comes from the board: it is back
 * as Klipper, it is the same chip, and it says that it runs the image's version.
 */
#ifndef KF_FLASH_FLASH_H
#define KF_FLASH_FLASH_H

#include "flash/plan.h"
#include "flash/progress.h"

/*
 * Flash by the plan's methods in turn. The caller has locked the board (flash/board-lock.h). *ret
 * is a new reference to the record's "flash" member also on failure: result ("flashed",
 * "current": the board had the image already, or the error's word), reason, attempts, versions,
 * seconds. Errors:
 *
 *   KF_BUSY                  another process has the port
 *   KF_MCU_MISMATCH, KF_WRONG_OFFSET   refused by what the bootloader says; nothing was written
 *   KF_NO_KATAPULT, KF_GONE, KF_TIMEOUT, KF_PROTOCOL, KF_VERIFY_FAILED, KF_FLASH_FAILED
 *                            the last method's failure
 *   KF_LEFT_IN_BOOTLOADER, KF_WRONG_VERSION, KF_UNVERIFIED   written, but not proved by the board
 *   KF_INTERRUPTED           by a stop signal, between two blocks
 */
_must_check_ int kf_flash_board(const struct kf_plan *plan, const struct kf_progress *progress,
				json_t **ret, struct kf_error *err);

#endif
