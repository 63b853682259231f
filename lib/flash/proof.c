/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "board/identity.h"
#include "board/last-flash.h"
#include "board/port.h"
#include "core/clock.h"
#include "core/text.h"
#include "flash/bootloader.h"
#include "flash/method-katapult.h"
#include "flash/proof.h"
#include "flash/target.h"
#include "flash/wire.h"
#include "klippy/mcus.h"

enum {
	BEFORE_MS = 1500,
	KLIPPY_MS = 3000,
	IDENTIFY_MS = 5000,
	/* for a board to leave Katapult after another program: COMPLETE takes 100 ms to work */
	LEAVING_MS = 500,
	REENUMERATION_MS = 3000
};

/*
 * Ask the board for its version, or the Klippy that uses the board. *board then has its mode, too.
 * Negative: neither answers.
 */
static int running_version(struct kf_board *board, char ret[KF_NAME_SIZE], struct kf_error *err)
{
	struct kf_klippy klippy;
	struct kf_board now;
	int r;

	if (board->holder.pid)
		return kf_klippy_find(board->holder.pid, &klippy) &&
				       kf_klippy_version(&klippy, board, kf_now_ms() + KLIPPY_MS,
							 ret)
			       ? 0
			       : -EBUSY;
	r = kf_wire_row(board)->ask(board, BEFORE_MS, &now, err);
	if (r < 0)
		return r;
	*board = now;
	kf_text_format(ret, KF_NAME_SIZE, "%s", now.version);
	return now.version[0] ? 0 : -ENODATA;
}

/*
 * Another board may be on the port of one that is known by its port alone, with firmware of the
 * same version: then its whole dictionary has to be the image's, which only the board itself tells.
 */
static bool is_image(const struct kf_plan *plan, const struct kf_board *board)
{
	struct kf_dictionary dictionary;

	if (!kf_plan_by_port(plan))
		return true;
	return !board->holder.pid &&
	       kf_wire_dictionary(board, kf_now_ms() + IDENTIFY_MS, &dictionary, NULL) == 0 &&
	       strcmp(dictionary.sha256, plan->image.dictionary.sha256) == 0;
}

bool kf_proof_confirm(const struct kf_plan *plan)
{
	char version[KF_NAME_SIZE];
	struct kf_board board = plan->board;

	return running_version(&board, version, NULL) == 0 &&
	       strcmp(version, plan->image.dictionary.version) == 0 && is_image(plan, &board);
}

void kf_proof_add(struct kf_run *run, const char *how)
{
	json_array_append_new(json_object_get(run->flash, "verified"), json_string(how));
}

/* A board on USB is asked if its names say Klipper, or if its chip can have no Katapult. On other
 * wires there are no names. */
static bool can_ask(const struct kf_run *run)
{
	const struct kf_board *board = &run->board;

	if (run->plan->methods.count && kf_method_row(run->plan->methods.list[0])->names_tell)
		return board->mode == KF_MODE_KLIPPER;
	return board->mode == KF_MODE_KLIPPER || kf_board_is_wired(board) ||
	       kf_wire_is_uart(board) ||
	       (board->mode == KF_MODE_OTHER && board->tty[0] &&
		!kf_loader_beside_katapult(
			kf_loader_find(run->plan->image.dictionary.mcu, KF_LOADER_ANY)));
}

int kf_proof_before(struct kf_run *run, struct kf_error *err)
{
	struct kf_last_flash state = { 0 };
	const char *version = state.version;
	struct kf_error why = { 0 };
	int r = can_ask(run) ? running_version(&run->board, run->before, &why) : -ENODATA;

	if (r < 0 && why.code == KF_AMBIGUOUS) {
		*err = why;
		return r;
	}
	if (r == 0) {
		version = run->before;
	} else if (run->board.key[0]) {
		kf_last_flash_load(run->board.key, &state);
	}
	if (version[0])
		json_object_set_new(run->flash, "version_before", json_string(version));
	return 0;
}

bool kf_proof_current(struct kf_run *run)
{
	const struct kf_plan *plan = run->plan;
	bool held = plan->board.holder.pid;

	if (!plan->current || !kf_plan_noted(plan) ||
	    strcmp(run->before, plan->image.dictionary.version) != 0 ||
	    !is_image(plan, &run->board))
		return false;
	json_object_set_new(run->flash, "version_after", json_string(run->before));
	kf_proof_add(run, held ? "klippy" : "identify");
	json_object_set_new(run->flash, "reason",
			    json_string(held ? "it runs this version, says its Klippy, and this "
					       "image was the last to be flashed"
					     : "it runs this version, and this image was the last "
					       "to be flashed"));
	return true;
}

/* Firmware without the bridge cuts off the nodes behind it, whatever its version. */
static int check_kind(const struct kf_run *run, struct kf_error *err)
{
	const struct kf_board *was = &run->plan->board, *now = &run->board;

	if (!run->plan->image.dictionary.can_bridge || kf_board_is_bridge(now) ||
	    kf_board_is_node(now) || kf_wire_is_uart(now))
		return 0;
	kf_fail(err, KF_UNVERIFIED,
		"on USB port %s it came back as a plain USB board, not as a USB-to-CAN bridge: no "
		"node behind it can be reached",
		now->usb.port);
	return kf_error_hint(err,
			     "look at its configuration (kf config %s), then flash it again with "
			     "--force",
			     was->key[0] ? was->key : "KEY");
}

/* On CAN and UART a board that does not come back shows only as silence. */
static int not_back(const struct kf_run *run, int r, struct kf_error *err)
{
	const struct kf_board *board = &run->plan->board;
	struct kf_error why;

	if (err->code != KF_TIMEOUT && err->code != KF_NOT_CONNECTED)
		return r;
	why = *err;
	/* Another program wrote it, perhaps all of it: silence does not tell that it is gone. */
	if (!run->attempt.readback && why.code == KF_TIMEOUT) {
		kf_fail(err, KF_UNVERIFIED,
			"no firmware answers, and nothing proves that it was written: %s",
			why.message);
		return kf_error_hint(err,
				     "check that its firmware is built for this UART and its baud "
				     "rate, and that Klipper connects to it");
	}
	kf_fail(err, KF_GONE, "it was let go, and no firmware answers: %s", why.message);
	if (kf_wire_is_avr(board))
		return kf_error_hint(err,
				     "check that its firmware is built for this UART and its baud "
				     "rate; its bootloader is there at each reset");
	return kf_error_hint(err, "check that its firmware is built for %s, then %s",
			     board->link.type == KF_WIRE_CAN
				     ? "CAN, the pins and the bitrate of this bus"
				     : "this UART and its baud rate",
			     kf_last_flash_remedy(kf_mode_name(KF_MODE_KATAPULT)));
}

/*
 * Was a node of a CAN bus written over USB, in Katapult or in its chip's own bootloader? Its
 * firmware does not show on USB, so there is nothing to wait for.
 */
static bool leaves_for_can(const struct kf_run *run)
{
	const struct kf_dictionary *image = &run->plan->image.dictionary;
	const struct kf_board *board = &run->plan->board;
	bool by_usb = kf_board_in_rom(board) || kf_wire_row(board) == &kf_wire_usb;

	return by_usb && run->attempt.readback && image->can_frequency && !image->can_bridge;
}

/* A person has put it into its ROM, and it is there again: add the way out to err. */
static bool stays_in_rom(const struct kf_run *run, struct kf_error *err)
{
	if (err->code != KF_LEFT_IN_BOOTLOADER || !run->attempt.readback ||
	    !kf_board_in_rom(&run->plan->board))
		return false;
	kf_error_prefix(err, "written and read back");
	kf_error_hint(err,
		      "its firmware starts at the next power-up: take out its BOOT0 jumper, or let "
		      "go of its button, then power-cycle it");
	return true;
}

static int not_on_usb(struct kf_error *err)
{
	kf_fail(err, KF_UNVERIFIED,
		"written and read back; its firmware is for CAN, and nothing on USB tells that it "
		"runs");
	return kf_error_hint(err, "connect it to its bus, then look for it: kf-scan --can");
}

/* Katapult was written and read back: check that it starts, and that it is the one in the image. */
static int prove_bootloader(struct kf_run *run, int64_t deadline_ms, struct kf_error *err)
{
	const struct kf_plan *plan = run->plan;
	char version[KF_NAME_SIZE];
	int r;

	kf_progress_step(run->progress, "waiting for Katapult");
	r = kf_bootloader_installed(run->monitor, &plan->board, deadline_ms, &run->board, err);
	if (r < 0)
		return r;
	if (run->board.mode == KF_MODE_KLIPPER) {
		kf_proof_add(run, "started");
		return 0;
	}
	r = kf_method_katapult_installed(&run->board, &plan->image.dictionary, deadline_ms, version,
					 err);
	if (r < 0)
		return r;
	json_object_set_new(run->flash, "version_after", json_string(version));
	kf_proof_add(run, "katapult");
	return 0;
}

/* The board is (perhaps) written: is it back, and what does it run? */
static int prove(struct kf_run *run, int64_t deadline_ms, struct kf_error *err)
{
	const char *want = run->plan->image.dictionary.version;
	int (*come_back)(struct kf_monitor *, const struct kf_board *, int64_t, struct kf_board *,
			 struct kf_error *) = run->attempt.come_back;
	int r;

	if (!come_back)
		come_back = kf_wire_row(&run->plan->board)->come_back;
	if (run->plan->options.bootloader)
		return prove_bootloader(run, deadline_ms, err);
	if (leaves_for_can(run))
		return not_on_usb(err);
	kf_progress_step(run->progress, "waiting for the board to come back");
	r = come_back(run->monitor, &run->plan->board, deadline_ms, &run->board, err);
	if (r == 0)
		r = check_kind(run, err);
	if (r < 0 && stays_in_rom(run, err))
		return r;
	/* A board that was written in BOOTSEL or DFU may now have firmware for a UART, which does
	 * not show on USB. */
	if (r < 0 && run->attempt.readback &&
	    (err->code == KF_UNVERIFIED ||
	     (err->code == KF_GONE && kf_board_in_rom(&run->plan->board))))
		kf_error_prefix(err, "written and read back");
	if (r < 0)
		return not_back(run, r, err);
	r = kf_wire_version(&run->board, IDENTIFY_MS, &run->board, err);
	if (r < 0)
		return r;
	KF_COPY(run->version, run->board.version);
	json_object_set_new(run->flash, "version_after", json_string(run->version));
	if (strcmp(run->version, want) != 0)
		return kf_fail(err, KF_WRONG_VERSION, "the board runs version %s, the image has %s",
			       run->version, want);
	kf_proof_add(run, "identify");
	return 0;
}

bool kf_proof_despite(struct kf_run *run)
{
	struct kf_error ignored;
	int64_t ms;

	if (!run->before[0])
		return false;
	kf_target_look(&run->plan->board, &run->board);
	/* Here the version does not prove the flash, only that the firmware is complete. */
	if (kf_method_row(run->attempt.method)->readback ||
	    strcmp(run->before, run->plan->image.dictionary.version) == 0) {
		if (!can_ask(run) || running_version(&run->board, run->version, NULL) < 0)
			run->version[0] = 0;
		return false;
	}
	ms = run->board.mode == KF_MODE_KATAPULT ? LEAVING_MS : REENUMERATION_MS;
	return prove(run, kf_now_ms() + ms, &ignored) == 0;
}

/*
 * Nobody reads back the bytes that another program writes. Only a version that the board did not
 * run before proves that they are there.
 */
static int prove_by_change(const struct kf_run *run, struct kf_error *err)
{
	const char *version = run->plan->image.dictionary.version;

	if (run->before[0] && strcmp(run->before, version) != 0)
		return 0;
	kf_fail(err, KF_UNVERIFIED, "the board runs %s, %s: nothing proves that it was written",
		version,
		run->before[0] ? "as it did before" : "and what it ran before is not known");
	return kf_error_hint(
		err, "%s",
		kf_method_row(run->attempt.method)->installs_later
			? "it is on its SD card: power-cycle the printer, in case its "
			  "bootloader reads the card only then, and check that Klipper "
			  "connects to it"
			: "check that Klipper connects to it; if it has Katapult, "
			  "--method=katapult reads back every byte");
}

/*
 * flash-sdcard.sh resets the board as its last act, and the reset may be seen only after the script
 * has ended. A board that still runs its old firmware may have to be power-cycled before it reads
 * the card: then this returns 0, and the flash is pending.
 */
static int prove_later(struct kf_run *run, int r, struct kf_error *err)
{
	if (err->code == KF_UNVERIFIED || err->code == KF_GONE)
		r = prove(run, kf_now_ms() + run->plan->options.return_ms, err);
	if (r == 0 || err->code != KF_WRONG_VERSION ||
	    (run->before[0] && strcmp(run->before, run->version) != 0))
		return r;
	*err = (struct kf_error){ 0 };
	run->pending = true;
	json_object_set_new(run->flash, "reason",
			    json_string("it is on the SD card, and does not run yet: power-cycle "
					"the printer; kf status then says what the board runs"));
	return 0;
}

int kf_proof_after(struct kf_run *run, struct kf_error *err)
{
	const struct kf_method_row *row = kf_method_row(run->attempt.method);
	int r = prove(run, kf_now_ms() + run->plan->options.return_ms, err);

	if (r < 0 && row->installs_later)
		r = prove_later(run, r, err);
	return r < 0 || run->pending || row->readback ? r : prove_by_change(run, err);
}
