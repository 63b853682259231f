/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The order makes it safe: ask the version, enter the bootloader, write, leave, wait for the
 * return, ask the version again. Only the last answer is success.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "board/identity.h"
#include "board/last-flash.h"
#include "board/port.h"
#include "core/clock.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/text.h"
#include "flash/bootloader.h"
#include "flash/flash.h"
#include "flash/hold.h"
#include "flash/method-katapult.h"
#include "flash/proof.h"
#include "flash/target.h"
#include "flash/wire.h"
#include "usb/holder.h"

enum {
	ENTER_MS = 10000,
	IDENTIFY_MS = 5000,
	STOPPED_MS = 5000, /* for a board's way back, after a stop signal */
};

/* Write the board. A Katapult that is there is asked first, unless the method itself does that. */
static int write_board(struct kf_run *run, struct kf_error *err)
{
	struct kf_attempt *a = &run->attempt;
	const struct kf_method_row *row = kf_method_row(a->method);
	int64_t deadline_ms = a->deadline_ms;
	int r = 0;

	if (run->board.mode == KF_MODE_KATAPULT && !row->asks_katapult) {
		a->deadline_ms = kf_within_ms(IDENTIFY_MS, deadline_ms);
		r = kf_method_katapult_check(a, err);
		a->deadline_ms = deadline_ms;
	}
	if (r == 0)
		r = row->write(a, err);
	if (a->readback)
		kf_proof_add(run, "readback");
	return r;
}

/*
 * A board that was sent back to its firmware leaves its bootloader only 100 ms later. Wait until it
 * is back: a service, another method or another kf-flash could open its port, and a Klippy that
 * opens a port in Katapult wedges the Katapult. A stop signal makes the wait shorter.
 */
static void wait_for_sent_back(struct kf_run *run)
{
	const struct kf_board *board = &run->plan->board;
	const struct kf_wire_row *row = kf_wire_row(board);

	if (!run->attempt.sent_back ||
	    row->come_back(run->monitor, board, kf_now_ms() + run->plan->options.return_ms,
			   &run->board, NULL) != -EINTR)
		return;
	kf_stop_defer(true);
	IGNORE_RESULT(
		row->come_back(run->monitor, board, kf_now_ms() + STOPPED_MS, &run->board, NULL));
	kf_stop_defer(false);
}

/* Enter the method's bootloader. If the board comes up in Katapult instead, that is asked later. */
static int enter(struct kf_run *run, const struct kf_method_row *row, struct kf_error *err)
{
	struct kf_board board = run->board;
	bool leaves = board.mode != KF_MODE_KATAPULT && !kf_board_in_rom(&board);
	char place[KF_DEV_SIZE];
	int r;

	kf_board_place(&board, place, sizeof(place));
	if (leaves)
		kf_progress_step(run->progress, "entering %s from %s",
				 row->bootloader ? row->bootloader : "its bootloader",
				 board.tty[0] ? board.tty : place);
	/* After a stop signal a board that has left its firmware must be sent back to it. */
	kf_stop_defer(leaves);
	r = kf_wire_row(&board)->enter(run->monitor, &board,
				       kf_within_ms(ENTER_MS, run->attempt.deadline_ms),
				       &run->board, err);
	kf_stop_defer(false);
	KF_COPY(run->board.key, run->plan->board.key);
	if (r < 0 || !row->bootloader || run->board.mode == KF_MODE_KATAPULT ||
	    run->board.mode == row->mode)
		return r;
	return kf_bootloader_missing(&run->board, row->bootloader, err);
}

/* Did the bootloader say that the image does not fit this board? Then nothing was written. */
static bool is_refused(enum kf_code code)
{
	return code == KF_MCU_MISMATCH || code == KF_WRONG_OFFSET || code == KF_BAD_IMAGE ||
	       code == KF_TOO_LARGE;
}

/*
 * Does the failure not tell where the board is now? A board in a ROM that was sent no block may be
 * gone, and a program tells nothing but its status.
 */
static bool is_lost(const struct kf_run *run, enum kf_code code)
{
	const struct kf_method_row *row = kf_method_row(run->attempt.method);

	if (!row->foreign)
		return row->rom && !run->attempt.begun;
	return row->readback ? code == KF_FLASH_FAILED : !is_refused(code);
}

/* Was it the method's own time that ended? A board on a slow wire needs more. */
static void note_slow(struct kf_run *run, int64_t ms, struct kf_error *err)
{
	run->slow = err->code == KF_TIMEOUT && kf_now_ms() >= run->attempt.deadline_ms;
	if (run->slow)
		kf_error_prefix(err, "it takes longer than %g s", (double)ms / 1000);
}

/* One method, with the image, from entering the bootloader to the board's own answer. */
static int attempt_image(struct kf_run *run, const struct kf_method_row *row, struct kf_error *err)
{
	int64_t wanted_ms = run->plan->options.method_ms,
		ms = wanted_ms < row->least_ms ? row->least_ms : wanted_ms;
	int r = 0;

	run->attempt.deadline_ms = kf_now_ms() + ms;
	if (!row->enters || !row->enters(run->plan, &run->board))
		r = enter(run, row, err);
	if (r < 0)
		return r;
	r = write_board(run, err);
	if (r == 0)
		return kf_proof_after(run, err);
	note_slow(run, ms, err);
	if (err->code == KF_FLASH_FAILED && row->foreign && kf_proof_despite(run))
		return 0;
	wait_for_sent_back(run);
	if (is_lost(run, err->code))
		kf_bootloader_explain(run->monitor, &run->plan->board, !row->foreign, err);
	return r;
}

/* Load the image again before anything is entered: its file may have changed since the plan. */
static int attempt(struct kf_run *run, struct kf_error *err)
{
	const struct kf_method_row *row = kf_method_row(run->attempt.method);
	struct kf_image image = { 0 };
	int r = kf_plan_image(run->plan, &image, err);

	run->attempt.image = &image;
	if (r == 0 && row->ready)
		r = row->ready(run->plan, &run->board, err);
	if (r == 0)
		r = attempt_image(run, row, err);
	run->attempt.image = NULL;
	kf_image_free(&image);
	return r;
}

static const char *result_word(const struct kf_run *run, int r, const struct kf_error *err)
{
	if (r < 0)
		return kf_code_name(err->code);
	return run->pending ? "pending" : run->attempt.current ? "current" : "flashed";
}

static void note_attempt(struct kf_run *run, enum kf_method method, int64_t t0_ms, int r,
			 const struct kf_error *err)
{
	json_object_set_new(run->flash, "method", json_string(kf_method_name(method)));
	json_array_append_new(json_object_get(run->flash, "attempts"),
			      json_pack("{s:s, s:s, s:s?, s:f}", "method", kf_method_name(method),
					"result", result_word(run, r, err), "message",
					r < 0 ? err->message : NULL, "seconds",
					(double)(kf_now_ms() - t0_ms) / 1000));
}

/*
 * Another program may find a board by a USB id that all boards in DFU have, so only one such
 * program runs at a time. Several host MCUs may share one program file. *ret is the lock; it stays
 * -1 for methods that know their board. However many boards come first, the wait ends: each of them
 * has its own deadlines.
 */
static int lock_programs(const struct kf_run *run, enum kf_method method, int *ret,
			 struct kf_error *err)
{
	char path[PATH_MAX];
	int r;

	if (!kf_method_row(method)->takes_turns)
		return 0;
	r = kf_path(KF_DIR_STATE, path, err, "locks/flash-programs.lock");
	if (r == 0)
		r = kf_lock_take(path, 0, ret, err);
	if (r != -EBUSY)
		return r;
	kf_progress_step(run->progress,
			 "waiting: %s flashes one board at a time, and another comes first",
			 kf_method_name(method));
	return kf_lock_take(path, KF_FOREVER, ret, err);
}

/* Is it an error after which no other method is tried? */
static bool is_final(enum kf_code code)
{
	if (is_refused(code))
		return true;
	switch (code) {
	case KF_INTERRUPTED:
	case KF_BUSY:
	case KF_PERMISSION:
	case KF_CAN_BUS:
	case KF_IO: /* no note can be written: a full disk */
	case KF_GONE:
	case KF_LEFT_IN_BOOTLOADER:
	case KF_WRONG_VERSION:
	case KF_UNVERIFIED:
		return true;
	default:
		return false;
	}
}

/*
 * May this method follow one that failed? A board that waits in Katapult is not in its chip's ROM.
 * The board is looked for again: the next method must not use an old path.
 */
static bool may_follow(struct kf_run *run, enum kf_method next)
{
	kf_target_look(&run->plan->board, &run->board);
	return !kf_method_row(next)->rom || run->board.mode != KF_MODE_KATAPULT;
}

/* Try the methods in turn. If all fail, the error is that of the first. */
static int try_methods(struct kf_run *run, struct kf_error *err)
{
	const struct kf_plan *plan = run->plan;
	struct kf_error first = { 0 };
	int r = -ENODEV;

	for (size_t i = 0; i < plan->methods.count; i++) {
		_cleanup_(kf_closep) int lock = -1;
		int64_t t0_ms = kf_now_ms();
		bool last;

		json_object_set_new(run->flash, "verified", json_array());
		run->attempt = (struct kf_attempt){ .method = plan->methods.list[i],
						    .plan = plan,
						    .board = &run->board,
						    .progress = run->progress,
						    .monitor = run->monitor };
		run->version[0] = '\0';
		run->slow = false;
		r = lock_programs(run, plan->methods.list[i], &lock, err);
		if (r == 0)
			r = attempt(run, err);
		note_attempt(run, plan->methods.list[i], t0_ms, r, err);
		if (r == 0)
			return 0;
		if (is_final(err->code))
			return r;
		last = i + 1 == plan->methods.count || !may_follow(run, plan->methods.list[i + 1]);
		if (i > 0 || !last)
			kf_error_prefix(err, "%s", kf_method_name(plan->methods.list[i]));
		if (last)
			break;
		kf_progress_step(run->progress, "%s; trying %s", err->message,
				 kf_method_name(plan->methods.list[i + 1]));
		first = *err;
	}
	if (first.code != KF_OK) {
		kf_text_add(first.message, sizeof(first.message), "; ", err->message);
		if (first.code == KF_NO_KATAPULT) /* it names the one that failed */
			KF_COPY(first.hint, err->hint);
		if (!first.log[0])
			KF_COPY(first.log, err->log);
		*err = first;
	}
	return r;
}

/* Name the process that took the port after the plan had found it free. */
static int explain_busy(const struct kf_run *run, struct kf_error *err)
{
	struct kf_board board = run->board;

	kf_holders_find(&board, 1);
	return board.holder.pid ? kf_hold_busy(&board, err) : -EBUSY;
}

/*
 * Save the version that the board reported, and the image if the flash is proved. A board that
 * reports its version, or whose every byte was read back, is not incomplete any more; but the
 * version that runs tells nothing of an SD card. An image of a bootloader is not what the board
 * runs.
 */
static void remember(const struct kf_run *run, bool proved)
{
	const char *key = run->plan->board.key;
	struct kf_last_flash state = { .time_s = time(NULL), .took_ms = kf_now_ms() - run->t0_ms };

	if (!key[0] || (!run->version[0] && !run->attempt.readback) ||
	    (!proved && run->attempt.begun && kf_method_row(run->attempt.method)->installs_later))
		return;
	KF_COPY(state.version, run->version);
	if (proved && !run->pending && !run->plan->options.bootloader)
		KF_COPY(state.sha256, run->plan->image.sha256);
	if (run->pending) {
		KF_COPY(state.pending, run->plan->image.dictionary.version);
		KF_COPY(state.pending_sha256, run->plan->image.sha256);
	}
	KF_COPY(state.serial, kf_board_chip(&run->board));
	KF_COPY(state.port, run->board.usb.port);
	/* Not an error: the board is flashed even if its last flash cannot be saved. */
	if (kf_last_flash_save(key, &state, NULL) < 0)
		kf_progress_step(run->progress, "the board's state could not be saved");
}

static int flash(struct kf_run *run, struct kf_error *err)
{
	_cleanup_(kf_monitor_free) struct kf_monitor *monitor = NULL;
	const struct kf_board *board = &run->plan->board;
	int r = board->holder.pid ? kf_hold_busy(board, err) : 0;

	if (r == 0 && run->plan->board.key[0])
		r = kf_last_flash_begin(&run->plan->board, err);
	if (r == 0)
		r = kf_monitor_new(&monitor, err);
	if (r < 0)
		return r;
	run->monitor = monitor;
	if (run->plan->image.dictionary.can_bridge && !kf_board_is_bridge(board))
		kf_progress_step(run->progress, "this firmware makes it a USB-to-CAN bridge");
	r = try_methods(run, err);
	if (r < 0 && err->code == KF_BUSY)
		r = explain_busy(run, err);
	remember(run, r == 0);
	return r;
}

/* Does the board wait in a bootloader that answers, as far as err tells? */
static bool is_waiting(const struct kf_run *run, const struct kf_error *err)
{
	struct kf_board now;

	/* A board that has just left may still be listed. A board without a USB device keeps the
	 * mode that it had. */
	return err->code != KF_TIMEOUT && err->code != KF_PROTOCOL && err->code != KF_GONE &&
	       kf_target_look(&run->board, &now) &&
	       (now.mode == KF_MODE_KATAPULT || kf_board_in_rom(&now));
}

/* Add to err that the firmware is incomplete. A board without a key has no saved last flash. */
static void explain_incomplete(const struct kf_run *run, struct kf_error *err)
{
	struct kf_last_flash state = { 0 };

	if (run->plan->board.key[0])
		kf_last_flash_load(run->plan->board.key, &state);
	else if (run->attempt.begun && !run->attempt.readback && !run->version[0])
		KF_COPY(state.incomplete, run->attempt.begun);
	if (state.incomplete[0])
		kf_last_flash_hint(state.incomplete, is_waiting(run, err), err);
}

/* The same command would end in the same way: add how to give it more time. */
static void explain_slow(const struct kf_run *run, struct kf_error *err)
{
	char hint[sizeof(err->hint)];

	if (!run->slow || err->code != KF_TIMEOUT)
		return;
	kf_text_format(hint, sizeof(hint), "%s",
		       err->hint[0] ? err->hint : "run the same command again");
	kf_error_hint(err,
		      "%s; give it more time: kf --flash-timeout=SECONDS, or kf-flash "
		      "--timeout=SECONDS",
		      hint);
}

int kf_flash_board(const struct kf_plan *plan, const struct kf_progress *progress, json_t **ret,
		   struct kf_error *err)
{
	struct kf_run run = {
		.plan = plan, .progress = progress, .board = plan->board, .t0_ms = kf_now_ms()
	};
	int r;

	run.flash = json_pack("{s:n, s:n, s:[], s:n, s:n, s:n, s:[]}", "result", "method",
			      "verified", "seconds", "version_before", "version_after", "attempts");
	r = kf_proof_before(&run, err);
	run.attempt.current = r == 0 && kf_proof_current(&run);
	if (r == 0 && !run.attempt.current)
		r = flash(&run, err);
	if (r < 0) {
		explain_incomplete(&run, err);
		explain_slow(&run, err);
		kf_error_for(err, plan->board.key);
	}
	json_object_set_new(run.flash, "result", json_string(result_word(&run, r, err)));
	json_object_set_new(run.flash, "seconds",
			    json_real((double)(kf_now_ms() - run.t0_ms) / 1000));
	*ret = run.flash;
	return r;
}
