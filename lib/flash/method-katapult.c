/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Nothing is written before the bootloader itself has confirmed MCU and address. */
#include <errno.h>
#include <string.h>

#include "board/identity.h"
#include "board/last-flash.h"
#include "core/clock.h"
#include "core/text.h"
#include "firmware/chip.h"
#include "firmware/image-check.h"
#include "flash/method-katapult.h"
#include "flash/wire.h"
#include "katapult/session.h"
#include "registry/config-note.h"

enum {
	LEAST_ROOM = 4096, /* the smallest that Katapult's menuconfig offers (src/stm32/Kconfig) */
	LEAVE_MS = 2000,
};

/* Does firmware that starts here leave no room for Katapult before it? */
static bool is_bare(const char *mcu, uint32_t start)
{
	const struct kf_chip *chip = kf_chip_find(mcu);

	return chip && start != KF_LOADER_ANY && start >= chip->flash &&
	       start - chip->flash < LEAST_ROOM;
}

/* A fork of Katapult may run on a chip that Katapult itself does not know: the owner may insist. */
static const char *why_not(const struct kf_methods_for *with)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);

	if (kf_methods_in_mode(with, KF_MODE_KATAPULT))
		return NULL;
	if (kf_methods_in_rom(with))
		return "it waits in a bootloader other than Katapult";
	if (!kf_loader_beside_katapult(loader) || (!with->insist && !kf_chip_katapult(with->mcu)))
		return "there is no Katapult for it";
	if (is_bare(with->mcu, with->start))
		return "its firmware leaves no room for Katapult";
	if (with->by_uart && !with->insist)
		return "on a UART nothing tells whether it has Katapult";
	return NULL;
}

/* Add the hint: which entry of menuconfig makes firmware that fits this bootloader. */
static int wrong_offset(const struct kf_plan *plan, const struct kf_katapult *k,
			struct kf_error *err)
{
	const char *key = plan->board.key;
	struct kf_answers answers;
	char choose[KF_NAME_SIZE];

	kf_last_flash_refused(key, k->start);
	kf_chip_entry(kf_chip_find(k->mcu), k->start, choose);
	if (key[0] && kf_answers_load(key, &answers))
		return kf_error_hint(err,
				     "run the same command again: kf then takes the offset from "
				     "Katapult (%s)",
				     choose);
	return kf_error_hint(err, "choose %s in menuconfig%s%s", choose,
			     key[0] ? ": kf config " : "", key);
}

static int check(const struct kf_attempt *a, const struct kf_katapult *k, struct kf_error *err)
{
	const struct kf_plan *plan = a->plan;
	const struct kf_image *image = a->image;
	int r;

	if (!kf_mcu_same(k->mcu, image->dictionary.mcu))
		return kf_fail(err, KF_MCU_MISMATCH,
			       "the firmware is for %s, the bootloader runs on %s",
			       image->dictionary.mcu, k->mcu);
	if (plan->start_known && plan->start != k->start) {
		kf_fail(err, KF_WRONG_OFFSET,
			"the firmware starts at 0x%08x, the bootloader starts applications "
			"at 0x%08x",
			plan->start, k->start);
		return wrong_offset(plan, k, err);
	}
	/* A .bin that the user gives has no start address; its vectors show it. */
	r = kf_image_check(image, &k->start, err);
	if (r < 0)
		kf_error_prefix(err, "the bootloader starts applications at 0x%08x", k->start);
	return r < 0 && err->code == KF_WRONG_OFFSET ? wrong_offset(plan, k, err) : r;
}

/* Is the image there already? 1, 0 (at the first block that differs), or an error. */
static int compare(struct kf_attempt *a, struct kf_katapult *k, struct kf_error *err)
{
	struct kf_progress_part comparing = { a->progress, "comparing" };
	struct kf_error why;
	int r = kf_katapult_verify(k, a->image->data, a->image->len, kf_progress_show, &comparing,
				   &why);

	if (r < 0 && why.code == KF_VERIFY_FAILED)
		return 0;
	if (r < 0)
		*err = why;
	return r < 0 ? r : 1;
}

/*
 * Nothing was written: the board starts the firmware that it has, if that is complete. A stop
 * signal waits for it: a board that stays in Katapult is lost to its printer. False: its firmware
 * is incomplete, so it stays.
 */
static bool send_back(struct kf_attempt *a, struct kf_katapult *k)
{
	struct kf_last_flash state = { 0 };
	bool whole = true;

	if (a->plan->board.key[0])
		kf_last_flash_load(a->plan->board.key, &state);
	if (state.incomplete[0])
		return false;
	kf_stop_defer(true);
	k->deadline_ms = kf_now_ms() + LEAVE_MS;
	a->sent_back = kf_katapult_has_application(k, &whole, NULL) == 0 && whole &&
		       kf_katapult_complete(k, NULL) == 0;
	kf_stop_defer(false);
	return whole;
}

static int refuse(struct kf_attempt *a, struct kf_katapult *k, int r, struct kf_error *err)
{
	bool whole = send_back(a, k);

	if (!a->sent_back)
		kf_error_hint(err, "%s; the board is still in its bootloader%s", err->hint,
			      whole ? ": power-cycle it" : ", because its firmware is incomplete");
	return r;
}

/* A stop signal waits for the answer of a board that we have brought here: it can be sent back
 * then.
 */
static int connect_board(const struct kf_attempt *a, struct kf_katapult *k, struct kf_error *err)
{
	int r;

	kf_stop_defer(a->plan->board.mode != KF_MODE_KATAPULT);
	r = kf_katapult_connect(k, err);
	kf_stop_defer(false);
	return r;
}

/*
 * Note that the firmware is incomplete before the first block is sent: if this host loses its
 * power, only the note tells it.
 */
static int write_image(struct kf_attempt *a, struct kf_katapult *k, struct kf_error *err)
{
	struct kf_progress_part writing = { a->progress, "writing" },
				reading = { a->progress, "reading back" };
	int r = kf_last_flash_incomplete(a->plan->board.key, kf_mode_name(a->board->mode), err);

	if (r < 0)
		return refuse(a, k, r, err);
	a->begun = kf_mode_name(a->board->mode);
	r = kf_katapult_write(k, a->image->data, a->image->len, kf_progress_show, &writing, err);
	return r < 0 ? r
		     : kf_katapult_verify(k, a->image->data, a->image->len, kf_progress_show,
					  &reading, err);
}

static int leave_katapult(struct kf_katapult *k, struct kf_error *err)
{
	struct kf_error why;
	int r = kf_katapult_complete(k, &why);

	if (r < 0 && why.code != KF_INTERRUPTED)
		return kf_fail(err, KF_LEFT_IN_BOOTLOADER,
			       "the firmware was written, but the board stays in Katapult: %s",
			       why.message);
	if (r < 0)
		*err = why;
	return r;
}

static int converse(struct kf_attempt *a, struct kf_katapult *k, struct kf_error *err)
{
	const struct kf_wire_row *row = kf_wire_row(a->board);
	int r = connect_board(a, k, err);

	if (r < 0)
		return r;
	kf_progress_step(
		a->progress, "Katapult %s on %s, application at 0x%08x, blocks of %u bytes",
		k->version[0] ? k->version : "(no version)", k->mcu, k->start, k->block_bytes);
	if (row->check)
		r = row->check(k, a->board, err);
	if (r < 0)
		return r;
	r = check(a, k, err);
	if (r < 0)
		return refuse(a, k, r, err);
	r = kf_katapult_finish(k, err);
	if (r == 0 && !a->plan->options.force)
		r = compare(a, k, err);
	if (r < 0) {
		send_back(a, k);
		return r;
	}
	a->current = r > 0;
	if (r == 0)
		r = write_image(a, k, err);
	a->readback = r >= 0;
	return r < 0 ? r : leave_katapult(k, err);
}

/*
 * Connect, compare MCU and application address with the image, read the flash up to the first block
 * that differs (unless forced), write, read back, let the board go. A refusal (KF_MCU_MISMATCH,
 * KF_WRONG_OFFSET) comes before anything is written and sends the board back to the firmware that
 * it has, if that is whole. KF_LEFT_IN_BOOTLOADER: all is there, but it does not let go.
 */
static int write_board(struct kf_attempt *a, struct kf_error *err)
{
	_cleanup_(kf_link_closep) struct kf_link link = KF_LINK_NONE;
	struct kf_katapult k = { .link = &link, .deadline_ms = a->deadline_ms };
	int r = kf_wire_row(a->board)->open_katapult(a->board, &link, err);

	if (r == 0)
		r = kf_link_guard(&link, err);
	if (r < 0)
		return r;
	r = converse(a, &k, err);
	/* Discard unsent bytes after CONNECT alone, or if the board has read nothing for long. */
	link.discard = r < 0 && (k.block_bytes == 0 || r == -ETIMEDOUT);
	return r;
}

static int not_wanted(const char *wanted, struct kf_error *err)
{
	kf_fail(err, KF_NO_KATAPULT, "its firmware starts Katapult, not %s", wanted);
	return kf_error_hint(err, "flash it with --method=katapult");
}

int kf_method_katapult_check(struct kf_attempt *a, struct kf_error *err)
{
	const struct kf_method_row *row = kf_method_row(a->method);
	const char *wanted = row->rom ? row->bootloader : NULL;
	_cleanup_(kf_link_closep) struct kf_link link = KF_LINK_NONE;
	struct kf_katapult k = { .link = &link, .deadline_ms = a->deadline_ms };
	int r = kf_wire_row(a->board)->open_katapult(a->board, &link, err);

	if (r < 0 || connect_board(a, &k, NULL) < 0)
		return r < 0 || !wanted ? r : not_wanted(wanted, err);
	r = check(a, &k, err);
	if (r == 0 && kf_stopped())
		r = kf_fail_stopped(err);
	if (r == 0 && wanted)
		r = not_wanted(wanted, err);
	return r < 0 ? refuse(a, &k, r, err) : 0;
}

int kf_method_katapult_installed(const struct kf_board *board, const struct kf_dictionary *want,
				 int64_t deadline_ms, char ret_version[KF_NAME_SIZE],
				 struct kf_error *err)
{
	_cleanup_(kf_link_closep) struct kf_link link = KF_LINK_NONE;
	struct kf_katapult k = { .link = &link, .deadline_ms = deadline_ms };
	int r = kf_wire_row(board)->open_katapult(board, &link, err);

	if (r == 0)
		r = kf_katapult_connect(&k, err);
	if (r < 0)
		return r;
	kf_text_format(ret_version, KF_NAME_SIZE, "%s", k.version);
	if (kf_mcu_same(k.mcu, want->mcu) &&
	    (!want->version[0] || strcmp(k.version, want->version) == 0))
		return 0;
	return kf_fail(err, KF_WRONG_VERSION,
		       "Katapult %s for %s answers, the image is Katapult %s for %s", k.version,
		       k.mcu, want->version, want->mcu);
}

const struct kf_method_row kf_method_katapult = {
	.why_not = why_not,
	.write = write_board,
	.bootloader = "Katapult",
	.mode = KF_MODE_KATAPULT,
	.asks_katapult = true,
	.readback = true,
};
