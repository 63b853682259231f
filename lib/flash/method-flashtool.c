/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The flashtool method: Katapult's own program. Its exit status proves nothing (field-notes.md,
 * "Outcome"): the caller looks at the board.
 */
#include <limits.h>
#include <unistd.h>

#include "core/text.h"
#include "flash/attempt.h"
#include "flash/program.h"

static const char *why_not(const struct kf_methods_for *with)
{
	if (with->by_can || with->by_uart)
		return "kf-flash uses flashtool.py over USB only: katapult is the method for it";
	return kf_method_katapult.why_not(with);
}

/* katapult_dir's flashtool.py, else the tree's own copy (Klipper keeps one, and Kalico). KF_CONFIG.
 */
static int find(const char *klipper_dir, const char *katapult_dir, char ret[PATH_MAX],
		struct kf_error *err)
{
	const struct {
		const char *dir, *file;
	} places[] = {
		{ katapult_dir, "scripts/flashtool.py" },
		{ klipper_dir, "lib/katapult/flashtool.py" },
		{ klipper_dir, "lib/canboot/flash_can.py" },
	};

	for (size_t i = 0; i < KF_ARRAY_SIZE(places); i++)
		if (kf_text_format(ret, PATH_MAX, "%s/%s", places[i].dir, places[i].file) &&
		    access(ret, R_OK) == 0)
			return 0;
	kf_fail(err, KF_CONFIG, "no flashtool.py in %s or %s", katapult_dir, klipper_dir);
	return kf_error_hint(err, "name Katapult's folder with kf set --global katapult_dir=DIR");
}

static int check(const struct kf_methods_for *with, struct kf_error *err)
{
	char script[PATH_MAX];
	int r = find(with->klipper_dir, with->katapult_dir, script, err);

	return r < 0 ? r : kf_flash_program_pyserial(err);
}

/*
 * python3 flashtool.py -d PORT -f IMAGE, from katapult_dir or from the tree, of a copy of image
 * that nobody else writes to. KF_FLASH_FAILED with the log when it fails; KF_NO_KATAPULT;
 * KF_TIMEOUT; KF_INTERRUPTED.
 */
static int write_board(struct kf_attempt *a, struct kf_error *err)
{
	_cleanup_(kf_flash_program_end) struct kf_flash_program program = KF_FLASH_PROGRAM_NONE;
	const struct kf_plan *plan = a->plan;
	const struct kf_board *board = a->board;
	char script[PATH_MAX], copy[PATH_MAX];
	const char *const argv[] = { "python3", script, "-d", board->tty, "-f", copy, NULL };
	int r;

	if (board->mode != KF_MODE_KATAPULT)
		return kf_fail(err, KF_NO_KATAPULT,
			       "flashtool.py needs Katapult, the board is in %s mode",
			       kf_mode_name(board->mode));
	r = find(plan->klipper_dir, plan->katapult_dir, script, err);
	if (r == 0)
		r = kf_flash_program_image(plan, a->image, copy, err);
	if (r == 0)
		r = kf_flash_program_begin(&program, plan, board, a->method, err);
	if (r < 0)
		return r;
	kf_progress_step(a->progress, "%s -d %s", script, board->tty);
	return kf_flash_program_run(&program, "flashtool.py", argv, a->deadline_ms, err);
}

const struct kf_method_row kf_method_flashtool = {
	.why_not = why_not,
	.check = check,
	.write = write_board,
	.bootloader = "Katapult",
	.mode = KF_MODE_KATAPULT,
	.foreign = true,
	.takes_turns = true,
};
