/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "flash/ask-board.h"
#include "core/clock.h"
#include "core/text.h"
#include "firmware/dictionary.h"
#include "katapult/session.h"
#include "link/serial.h"
#include "mcu/identify.h"

enum { BAUD = 250000, ASK_MS = 10000 };

static int ask_klipper(int fd, struct kf_board_told *ret, struct kf_error *err)
{
	_cleanup_(kf_freep) char *json = NULL;
	struct kf_dictionary dictionary;
	size_t len = 0;
	int r = kf_klipper_dictionary(fd, kf_now_ms() + ASK_MS, &json, &len, err);

	if (r == 0)
		r = kf_dictionary_parse(json, len, &dictionary, err);
	if (r == 0)
		r = kf_facts_parse(json, len, &ret->facts, err);
	if (r == 0)
		kf_text_format(ret->version, sizeof(ret->version), "%s", dictionary.version);
	return r;
}

static int ask_katapult(int fd, struct kf_board_told *ret, struct kf_error *err)
{
	struct kf_katapult k = { .fd = fd, .deadline_ms = kf_now_ms() + ASK_MS, .usb_cdc = true };
	int r = kf_katapult_connect(&k, err);

	if (r < 0)
		return r;
	*ret = (struct kf_board_told){ .katapult = true, .katapult_start = k.start };
	kf_text_format(ret->mcu, sizeof(ret->mcu), "%s", k.mcu);
	return 0;
}

int kf_board_ask(const struct kf_board *board, struct kf_board_told *ret, struct kf_error *err)
{
	_cleanup_(kf_serial_closep) int fd = -1;
	int r;

	if (!board->connected || !board->tty[0] ||
	    (board->mode != KF_MODE_KLIPPER && board->mode != KF_MODE_KATAPULT))
		return kf_fail(err, KF_NOT_CONNECTED, "the board cannot be asked now");
	if (board->holder.pid) {
		kf_fail(err, KF_BUSY, "the board cannot be asked: %s has its port",
			board->holder.command[0] ? board->holder.command : "a program");
		return kf_code_errno(KF_BUSY);
	}
	r = kf_serial_open(board->tty, BAUD, &fd, err);
	if (r < 0)
		return r;
	return board->mode == KF_MODE_KLIPPER ? ask_klipper(fd, ret, err)
					      : ask_katapult(fd, ret, err);
}
