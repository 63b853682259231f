/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The make_flash method: the tree's `make flash`. Its exit status proves nothing (field-notes.md,
 * "Outcome"): the caller looks at the board.
 */
#ifndef KF_FLASH_MAKE_FLASH_H
#define KF_FLASH_MAKE_FLASH_H

#include "flash/plan.h"
#include "flash/progress.h"

/*
 * Before the board, as it is now, is entered. KF_NO_FIRMWARE unless the planned image
 * is kept with its configuration: make flash takes both. KF_AMBIGUOUS: it would be sent into
 * a loader that another board is in already.
 */
_must_check_ int kf_make_flash_ready(const struct kf_plan *plan, const struct kf_board *board,
				     struct kf_error *err);

/*
 * Build the tool that make flash would build on its way, if it is in the plan and the board is not
 * in Katapult: before the board is entered and a service stops, for that may take minutes, once.
 * KF_NO_TOOLCHAIN: it cannot be built; the error names the log. KF_BUSY, KF_TIMEOUT,
 * KF_INTERRUPTED; KF_NO_TREE.
 */
_must_check_ int kf_make_flash_prepare(const struct kf_plan *plan,
				       const struct kf_progress *progress, struct kf_error *err);

/*
 * make flash FLASH_DEVICE=<the board as it is now> NOSUDO=1, with an OUT that holds the planned
 * image alone, which is not made anew. Refused (KF_NO_FIRMWARE) unless that image is kept;
 * KF_UNVERIFIED if OUT has another one afterwards. KF_FLASH_FAILED with the log when it fails;
 * KF_TIMEOUT; KF_INTERRUPTED.
 */
_must_check_ int kf_make_flash(const struct kf_plan *plan, const struct kf_board *board,
			       int64_t deadline_ms, const struct kf_progress *progress,
			       struct kf_error *err);

#endif
