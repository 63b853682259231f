/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "flash/flashtool.h"
#include "core/text.h"
#include "flash/program.h"

int kf_flashtool(const struct kf_plan *plan, const struct kf_image *image,
		 const struct kf_board *board, int64_t deadline_ms,
		 const struct kf_progress *progress, struct kf_error *err)
{
	_cleanup_(kf_flash_program_end) struct kf_flash_program program = KF_FLASH_PROGRAM_NONE;
	char script[PATH_MAX], copy[PATH_MAX];
	const char *const argv[] = { "python3", script, "-d", board->tty, "-f", copy, NULL };
	int r;

	if (board->mode != KF_MODE_KATAPULT)
		return kf_fail(err, KF_NO_KATAPULT,
			       "flashtool.py needs Katapult, the board is in %s mode",
			       kf_mode_name(board->mode));
	r = kf_flashtool_find(plan->klipper_dir, plan->katapult_dir, script, err);
	if (r == 0)
		r = kf_flash_program_image(plan, image, copy, err);
	if (r == 0)
		r = kf_flash_program_begin(&program, plan, board, KF_METHOD_FLASHTOOL, err);
	if (r < 0)
		return r;
	kf_progress_step(progress, "%s -d %s", script, board->tty);
	return kf_flash_program_run(&program, "flashtool.py", argv, deadline_ms, err);
}
