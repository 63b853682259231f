/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "flash/ask-board.h"
#include "board/identity.h"
#include "core/clock.h"
#include "core/text.h"
#include "firmware/dictionary.h"
#include "flash/rom.h"
#include "flash/wire.h"
#include "katapult/session.h"
#include "mcu/identify.h"

enum { ASK_MS = 10000 };

static int ask_klipper(struct kf_link *link, struct kf_board_told *ret, struct kf_error *err)
{
	_cleanup_(kf_freep) char *json = NULL;
	struct kf_dictionary dictionary;
	size_t len = 0;
	int r = kf_klipper_dictionary(link, kf_now_ms() + ASK_MS, &json, &len, err);

	if (r == 0)
		r = kf_dictionary_parse(json, len, &dictionary, err);
	if (r == 0)
		r = kf_facts_parse(json, len, &ret->facts, err);
	if (r == 0)
		KF_COPY(ret->version, dictionary.version);
	return r;
}

static int ask_katapult(struct kf_link *link, struct kf_board_told *ret, struct kf_error *err)
{
	struct kf_katapult k = { .link = link, .deadline_ms = kf_now_ms() + ASK_MS };
	int r = kf_katapult_connect(&k, err);

	if (r < 0)
		return r;
	*ret = (struct kf_board_told){ .katapult = true, .katapult_start = k.start };
	KF_COPY(ret->mcu, k.mcu);
	return 0;
}

int kf_board_ask(const struct kf_board *board, struct kf_board_told *ret, struct kf_error *err)
{
	_cleanup_(kf_link_closep) struct kf_link link = KF_LINK_NONE;
	bool process = board->link.type == KF_WIRE_PROCESS;
	bool klipper = board->mode == KF_MODE_KLIPPER || process;
	int r;

	if (board->connected && kf_board_in_rom(board))
		return kf_rom_bare(board, kf_now_ms() + ASK_MS, &ret->no_bootloader, err);
	if (!board->connected || (!board->tty[0] && board->link.type != KF_WIRE_CAN && !process) ||
	    (!klipper && board->mode != KF_MODE_KATAPULT))
		return kf_fail(err, KF_NOT_CONNECTED, "the board cannot be asked now");
	if (board->holder.pid)
		return kf_fail(err, KF_BUSY, "the board cannot be asked: %s has its port",
			       board->holder.command[0] ? board->holder.command : "a program");
	r = klipper ? kf_wire_row(board)->open_klipper(board, &link, err)
		    : kf_wire_row(board)->open_katapult(board, &link, err);
	if (r < 0)
		return r;
	return klipper ? ask_klipper(&link, ret, err) : ask_katapult(&link, ret, err);
}
