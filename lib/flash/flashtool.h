/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The flashtool method: Katapult's own program. Its exit status proves nothing (field-notes.md,
 * "Outcome"): the caller looks at the board.
 */
#ifndef KF_FLASH_FLASHTOOL_H
#define KF_FLASH_FLASHTOOL_H

#include "flash/plan.h"
#include "flash/progress.h"

/*
 * python3 flashtool.py -d PORT -f IMAGE, from katapult_dir or from the tree, of a copy of image
 * that nobody else writes to. Errors as kf_make_flash.
 */
_must_check_ int kf_flashtool(const struct kf_plan *plan, const struct kf_image *image,
			      const struct kf_board *board, int64_t deadline_ms,
			      const struct kf_progress *progress, struct kf_error *err);

#endif
