/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sdcard method: the tree's flash-sdcard.sh has Klipper, while it runs, write the firmware to
 * the board's SD card, and resets the board, whose own bootloader then installs it. Boards that
 * reach their card by SDIO do so only after the power was off: nothing can wait for that.
 */
#include <errno.h>
#include <limits.h>

#include "build/linked.h"
#include "build/sd-board.h"
#include "core/clock.h"
#include "core/text.h"
#include "flash/attempt.h"
#include "flash/program.h"

/* Its own connection may take 60 s, three times; it sends the image at 400 kHz, and reads it back.
 */
enum { SDCARD_MS = 300000 };

static const char *why_not(const struct kf_methods_for *with)
{
	if (!with->sdcard_board)
		return "nothing says which SD board it is: kf set KEY sdcard_board=BOARD";
	if (with->by_can)
		return "flash-sdcard.sh reaches no node on CAN";
	if (kf_methods_in_rom(with) || kf_methods_in_mode(with, KF_MODE_KATAPULT))
		return "its Klipper writes the card, and it waits in a bootloader";
	return NULL;
}

static int check(const struct kf_methods_for *with, struct kf_error *err)
{
	return kf_sd_board_check(with->klipper_dir, with->sdcard_board, with->mcu, err);
}

/*
 * flash-sdcard.sh of a copy of image that nobody else writes to, while Klipper runs on the board.
 * Its port stays unlocked: the script locks it. KF_FLASH_FAILED names the log. Errors of
 * kf_tree_open and kf_linked_tree.
 */
static int write_board(struct kf_attempt *a, struct kf_error *err)
{
	_cleanup_(kf_flash_program_end) struct kf_flash_program program = KF_FLASH_PROGRAM_NONE;
	const struct kf_plan *plan = a->plan;
	_cleanup_(kf_closep) int lock = -1;
	struct kf_tree tree, linked;
	char script[PATH_MAX], copy[PATH_MAX], baud[16];
	const char *const argv[] = { "bash", script, "-b",	    baud,
				     "-f",   copy,   a->board->tty, plan->sdcard_board,
				     NULL };
	int r = kf_flash_program_image(plan, a->image, copy, err);

	if (r == 0)
		r = kf_tree_open(plan->klipper_dir, &tree, err);
	if (r == 0)
		r = kf_linked_tree(&tree, kf_now_ms() + plan->options.wait_ms, &linked, &lock, err);
	if (r < 0)
		return r;
	if (!kf_text_format(script, sizeof(script), "%s/scripts/flash-sdcard.sh", linked.dir))
		return kf_fail_sys(err, ENAMETOOLONG, "%.64s...", linked.dir);
	kf_text_format(baud, sizeof(baud), "%u",
		       a->board->link.baud ? a->board->link.baud : KF_BAUD_DEFAULT);
	r = kf_flash_program_log(&program, plan, a->method, err);
	if (r < 0)
		return r;
	kf_progress_step(a->progress,
			 "writing its SD card by flash-sdcard.sh, as %s: this takes some "
			 "minutes",
			 plan->sdcard_board);
	return kf_flash_program_run(&program, "flash-sdcard.sh", argv, a->deadline_ms, err);
}

const struct kf_method_row kf_method_sdcard = {
	.why_not = why_not,
	.check = check,
	.enters = kf_flash_program_enters,
	.write = write_board,
	.least_ms = SDCARD_MS,
	.alone = true, /* another one could erase the bootloader that reads the card */
	.foreign = true,
	.takes_turns = true,
	.installs_later = true,
};
