/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "board/last-flash.h"
#include "board/port.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"
#include "flash/bootloader.h"
#include "flash/hold.h"
#include "flash/read.h"
#include "flash/target.h"
#include "flash/wire.h"
#include "katapult/session.h"

enum {
	ENTER_MS = 10000,
	IDENTIFY_MS = 5000,
	LEAVE_MS = 2000,
	STOPPED_MS = 5000, /* for its way back, after a stop signal */
};

struct read {
	const struct kf_plan *plan;
	const struct kf_progress *progress;
	struct kf_monitor *monitor;
	struct kf_board board; /* as it was seen last */
	struct kf_katapult k;
	uint8_t *data;
	bool sent_back; /* it was told to start its firmware */
};

/* The board goes back to its firmware in any case, also after a signal. */
static void send_back(struct read *read)
{
	kf_stop_defer(true);
	read->k.deadline_ms = kf_now_ms() + LEAVE_MS;
	read->sent_back = kf_katapult_complete(&read->k, NULL) == 0;
	kf_stop_defer(false);
}

static int no_firmware(struct kf_error *err)
{
	kf_fail(err, KF_NO_FIRMWARE, "there is no firmware behind its Katapult: nothing to read");
	return kf_error_hint(err, "it stays in Katapult: flash it with kf flash");
}

/* No EOF is sent: it would write what an earlier conversation has left in Katapult's buffer. */
static int converse(struct read *read, struct kf_error *err)
{
	struct kf_progress_part reading = { read->progress, "reading" };
	struct kf_katapult *k = &read->k;
	bool whole = false;
	int r;

	/* A stop signal waits for the answer of a board that we have brought here. */
	kf_stop_defer(read->plan->board.mode != KF_MODE_KATAPULT);
	r = kf_katapult_connect(k, err);
	kf_stop_defer(false);
	if (r < 0)
		return r;
	kf_progress_step(read->progress, "Katapult %s on %s, application at 0x%08x",
			 k->version[0] ? k->version : "(no version)", k->mcu, k->start);
	r = kf_katapult_has_application(k, &whole, err);
	if (r == 0 && !whole)
		return no_firmware(err);
	if (r == 0)
		r = kf_katapult_read(k, read->data, (size_t)read->plan->options.read_bytes,
				     kf_progress_show, &reading, err);
	send_back(read);
	return r;
}

static int talk(struct read *read, struct kf_error *err)
{
	_cleanup_(kf_link_closep) struct kf_link link = KF_LINK_NONE;
	int r = kf_wire_row(&read->board)->open_katapult(&read->board, &link, err);

	if (r == 0)
		r = kf_link_guard(&link, err);
	if (r < 0)
		return r;
	read->k = (struct kf_katapult){
		.link = &link,
		.deadline_ms = kf_now_ms() + read->plan->options.method_ms,
	};
	r = converse(read, err);
	link.discard = r < 0 && (read->k.block_bytes == 0 || r == -ETIMEDOUT);
	read->k.link = NULL;
	return r;
}

/*
 * Wait until the board is back before the port is free, whether or not it was read: a Klippy that
 * opens a port in Katapult wedges the Katapult.
 */
static int come_back(struct read *read, char ret[KF_NAME_SIZE], struct kf_error *err)
{
	int64_t ms = read->plan->options.return_ms;
	int r;

	if (!read->sent_back) {
		kf_fail(err, KF_LEFT_IN_BOOTLOADER, "it does not leave Katapult");
		return kf_error_hint(
			err, "nothing was written: power-cycle it to get its firmware back");
	}
	kf_progress_step(read->progress, "waiting for the board to come back");
	if (kf_stopped() && ms > STOPPED_MS)
		ms = STOPPED_MS;
	kf_stop_defer(true);
	r = kf_wire_row(&read->plan->board)
		    ->come_back(read->monitor, &read->plan->board, kf_now_ms() + ms, &read->board,
				err);
	if (r == 0)
		r = kf_wire_version(&read->board, IDENTIFY_MS, &read->board, err);
	if (r == 0)
		kf_text_format(ret, KF_NAME_SIZE, "%s", read->board.version);
	kf_stop_defer(false);
	if (r < 0 && err->code != KF_UNVERIFIED)
		kf_error_hint(err, "nothing was written: power-cycle it to get its firmware back");
	return r;
}

/* Join two errors in *err: the message begins with why the board was not read; the hint is that of
 * the board that is not back, which is worse. */
static int join(int r, int back, const struct kf_error *why, struct kf_error *err)
{
	if (r < 0 && back < 0) {
		kf_text_add(err->message, sizeof(err->message), "; ", why->message);
		kf_error_hint(err, "%s", why->hint);
	} else if (back < 0) {
		*err = *why;
	}
	return r < 0 ? r : back;
}

static int enter(struct read *read, struct kf_error *err)
{
	struct kf_board board = read->plan->board;
	char place[KF_DEV_SIZE];
	int r;

	kf_board_place(&board, place, sizeof(place));
	if (board.mode != KF_MODE_KATAPULT)
		kf_progress_step(read->progress, "entering Katapult from %s",
				 board.tty[0] ? board.tty : place);
	/* After a stop signal a board that has left its firmware must be sent back to it. */
	kf_stop_defer(board.mode != KF_MODE_KATAPULT);
	r = kf_wire_row(&board)->enter(read->monitor, &board, kf_now_ms() + ENTER_MS, &read->board,
				       err);
	kf_stop_defer(false);
	kf_board_keep(&read->board, &read->plan->board);
	if (r < 0 || read->board.mode == KF_MODE_KATAPULT)
		return r;
	return kf_bootloader_missing(&read->board, "Katapult", err);
}

static int read_all(struct read *read, char ret_version[KF_NAME_SIZE], struct kf_error *err)
{
	_cleanup_(kf_monitor_free) struct kf_monitor *monitor = NULL;
	struct kf_error why = { 0 };
	int r, back;

	if (read->plan->board.holder.pid)
		return kf_hold_busy(&read->plan->board, err);
	r = kf_monitor_new(&monitor, err);
	read->monitor = monitor;
	/* A process that is killed from here on leaves the board in Katapult. */
	kf_last_flash_reading(read->plan->board.key, true);
	if (r == 0)
		r = enter(read, err);
	if (r == 0) {
		r = talk(read, err);
		if (r == kf_code_errno(KF_NO_FIRMWARE)) {
			kf_last_flash_reading(read->plan->board.key, false);
			return r;
		}
		back = come_back(read, ret_version, &why);
		if (back == 0)
			kf_last_flash_reading(read->plan->board.key, false);
		r = join(r, back, &why, err);
	}
	read->monitor = NULL;
	return r;
}

int kf_read_board(const struct kf_plan *plan, const struct kf_progress *progress, json_t **ret,
		  struct kf_error *err)
{
	size_t bytes = (size_t)plan->options.read_bytes;
	_cleanup_(kf_freep) uint8_t *data = malloc(bytes);
	struct read read = {
		.plan = plan, .progress = progress, .board = plan->board, .data = data
	};
	char version[KF_NAME_SIZE] = "", sha256[KF_HEX_SIZE];
	int64_t t0_ms = kf_now_ms();
	int r;

	if (!data)
		return kf_fail_sys(err, ENOMEM, "%zu bytes", bytes);
	r = read_all(&read, version, err);
	if (r == 0)
		r = kf_file_write(plan->options.read, data, bytes, err);
	if (r < 0)
		return r;
	kf_sha256(data, bytes, sha256);
	*ret = json_pack("{s:s, s:I, s:s, s:I, s:s, s:s, s:f}", "path", plan->options.read, "bytes",
			 (json_int_t)bytes, "sha256", sha256, "start", (json_int_t)read.k.start,
			 "mcu", read.k.mcu, "version", version, "seconds",
			 (double)(kf_now_ms() - t0_ms) / 1000);
	return 0;
}
