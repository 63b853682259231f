/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sdcard method: the tree's flash-sdcard.sh has Klipper, while it runs, write the firmware to
 * the board's SD card, and resets the board, whose own bootloader then installs it. Boards that
 * reach their card by SDIO do so only after the power was off: nothing can wait for that.
 */
#include <limits.h>
#include <string.h>

#include "board/last-flash.h"
#include "build/linked.h"
#include "build/sd-board.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"
#include "flash/attempt.h"
#include "flash/program.h"

/* The script may need 60 s to connect, three times; it sends at 400 kHz, and reads back. */
enum { SDCARD_MS = 300000, LOG_MAX = 1 << 20 };

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

/* Take the reason printed before a traceback (main of scripts/spi_flash/spi_flash.py). */
static void explain_reason(const char *text, struct kf_error *err)
{
	static const char intro[] = "SD Card Flash Error: ";
	const char *reason = strstr(text, intro);
	char clean[512];
	size_t len;

	if (!reason || err->code != KF_FLASH_FAILED)
		return;
	reason += strlen(intro);
	len = strcspn(reason, "\n");
	if (len > 0 && reason[len - 1] == '.')
		len--;
	kf_text_clean(clean, sizeof(clean), reason, len);
	kf_text_format(err->message, sizeof(err->message), "flash-sdcard.sh: %s", clean);
	if (strstr(clean, "Initialize SD Card"))
		kf_error_hint(err, "the board needs a card that is formatted as FAT16 or FAT32; "
				   "then run the same command again");
}

/*
 * What the card has after a failure. It has a part of the file if it is full, or if the script was
 * ended. The board's bootloader takes what is there at any reset, and the board is dead until it
 * gets a whole one (a full card had 32768 of 41788 bytes). Klippy resets it when it starts, and so
 * does another run of the script.
 */
enum card { CARD_OLD, CARD_PART, CARD_NEW };

static enum card card_of(const char *text)
{
	if (strstr(text, "Firmware Upload Complete"))
		return CARD_NEW;
	return strstr(text, "Uploading Klipper Firmware") ? CARD_PART : CARD_OLD;
}

static void explain_card(enum card card, const char *image, const struct kf_sd_board *board,
			 struct kf_error *err)
{
	int folder = (int)(basename(image) - image);
	char message[sizeof(err->message)];

	if (card == CARD_NEW)
		kf_error_hint(err,
			      "the firmware is on its card as %.64s: power-cycle the printer, "
			      "then see kf status; if it is not the new one then, the "
			      "bootloader has refused the file",
			      board->file);
	if (card != CARD_PART)
		return;
	kf_text_format(message, sizeof(message), "%s; " KF_LAST_FLASH_CARD, err->message);
	KF_COPY(err->message, message);
	/* A converted image is beside the one that the script was given. */
	kf_error_hint(err,
		      "is the card full? its bootloader takes that part at the next reset, as "
		      "when Klipper starts, and the board is then silent: copy %.*s%s to the card "
		      "as %.64s by hand, then power-cycle the printer",
		      folder, image, basename(board->script[0] ? board->file : image), board->file);
}

/* The script has failed. The note that the card may have a part of the file stays if it may. */
static void explain(struct kf_attempt *a, const char *log, const char *image,
		    const struct kf_sd_board *board, const struct kf_last_flash *before,
		    struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = NULL;
	const char *key = a->plan->board.key;
	enum card card;
	size_t len;

	if (kf_file_read(log, LOG_MAX, &text, &len, NULL) < 0)
		return;
	card = card_of(text);
	explain_reason(text, err);
	explain_card(card, image, board, err);
	if (card == CARD_PART)
		a->begun = KF_LAST_FLASH_SDCARD;
	else if (key[0])
		IGNORE_RESULT(
			kf_last_flash_save(key, before, NULL)); /* else it is said too often */
}

/*
 * flash-sdcard.sh of a copy of image that nobody else writes to, while Klipper runs on the board.
 * Its port stays unlocked: the script locks it. KF_FLASH_FAILED names the log. Errors of
 * kf_sd_board_find, kf_tree_open and kf_linked_tree.
 */
static int write_board(struct kf_attempt *a, struct kf_error *err)
{
	_cleanup_(kf_flash_program_end) struct kf_flash_program program = KF_FLASH_PROGRAM_NONE;
	const struct kf_plan *plan = a->plan;
	_cleanup_(kf_closep) int lock = -1;
	struct kf_last_flash before = { 0 };
	struct kf_sd_board board;
	struct kf_tree tree, linked;
	char script[PATH_MAX], copy[PATH_MAX], baud[16];
	const char *const argv[] = { "bash", script, "-b",	    baud,
				     "-f",   copy,   a->board->tty, plan->sdcard_board,
				     NULL };
	int r = kf_flash_program_image(plan, a->image, copy, err);

	if (r == 0)
		r = kf_sd_board_find(plan->klipper_dir, plan->sdcard_board, &board, err);
	if (r == 0)
		r = kf_tree_open(plan->klipper_dir, &tree, err);
	if (r == 0)
		r = kf_linked_tree(&tree, kf_now_ms() + plan->options.wait_ms, &linked, &lock, err);
	if (r == 0)
		r = kf_path_format(script, err, "%s/scripts/flash-sdcard.sh", linked.dir);
	if (r < 0)
		return r;
	kf_text_format(baud, sizeof(baud), "%u",
		       a->board->link.baud ? a->board->link.baud : KF_BAUD_DEFAULT);
	if (plan->board.key[0])
		kf_last_flash_load(plan->board.key, &before);
	r = kf_flash_program_log(&program, plan, a->method, err);
	if (r == 0)
		r = kf_last_flash_incomplete(plan->board.key, KF_LAST_FLASH_SDCARD, err);
	if (r < 0)
		return r;
	kf_progress_step(a->progress,
			 "writing its SD card by flash-sdcard.sh, as %s: this takes some "
			 "minutes",
			 plan->sdcard_board);
	r = kf_flash_program_run(&program, "flash-sdcard.sh", argv, a->deadline_ms, err);
	if (r < 0)
		explain(a, program.log_path, copy, &board, &before, err);
	return r;
}

const struct kf_method_row kf_method_sdcard = {
	.why_not = why_not,
	.check = check,
	.enters = kf_flash_program_enters,
	.write = write_board,
	.least_ms = SDCARD_MS,
	.alone = true, /* another method could erase the bootloader that reads the card */
	.foreign = true,
	.takes_turns = true,
	.installs_later = true,
};
