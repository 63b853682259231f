/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <limits.h>

#include "core/text.h"
#include "flash/program.h"
#include "flash/sdcard.h"

int kf_sdcard(const struct kf_plan *plan, const struct kf_image *image,
	      const struct kf_board *board, int64_t deadline_ms, const struct kf_progress *progress,
	      struct kf_error *err)
{
	_cleanup_(kf_flash_program_end) struct kf_flash_program program = KF_FLASH_PROGRAM_NONE;
	char script[PATH_MAX], copy[PATH_MAX], baud[16];
	const char *const argv[] = { "bash", script, "-b",	 baud,
				     "-f",   copy,   board->tty, plan->sdcard_board,
				     NULL };
	int r = kf_flash_program_image(plan, image, copy, err);

	kf_text_format(script, sizeof(script), "%s/scripts/flash-sdcard.sh", plan->klipper_dir);
	kf_text_format(baud, sizeof(baud), "%u",
		       board->link.baud ? board->link.baud : KF_BAUD_DEFAULT);
	if (r == 0)
		r = kf_flash_program_log(&program, plan, KF_METHOD_SDCARD, err);
	if (r < 0)
		return r;
	kf_progress_step(progress,
			 "writing its SD card by flash-sdcard.sh, as %s: this takes some "
			 "minutes",
			 plan->sdcard_board);
	return kf_flash_program_run(&program, "flash-sdcard.sh", argv, deadline_ms, err);
}
