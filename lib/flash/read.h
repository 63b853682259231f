/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The firmware of a board, read by its Katapult. Nothing is written to the board: it is sent into
 * Katapult, read, and sent back to the firmware that it has.
 */
#ifndef KF_FLASH_READ_H
#define KF_FLASH_READ_H

#include "flash/plan.h"
#include "flash/progress.h"

/*
 * Read plan->options.read_bytes from where Katapult starts the application into the file
 * plan->options.read, which appears once the board runs its firmware again and says its version.
 * The caller has locked the board. *ret is a new reference to the record's "read" member. Whatever
 * fails, a stop signal too, the board is first sent back, if Katapult still takes that.
 *
 *   KF_BUSY         another process has the port
 *   KF_NO_KATAPULT  it stayed in its firmware, or came up in another bootloader
 *   KF_NO_FIRMWARE  there is no application: it stays in Katapult
 *   KF_GONE, KF_TIMEOUT, KF_PROTOCOL  the conversation failed
 *   KF_LEFT_IN_BOOTLOADER, KF_UNVERIFIED  it was told to start its firmware and is not seen to run
 *   KF_INTERRUPTED, and errors of writing the file
 */
_must_check_ int kf_read_board(const struct kf_plan *plan, const struct kf_progress *progress,
			       json_t **ret, struct kf_error *err);

#endif
