/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "board/identity.h"
#include "board/port.h"
#include "core/clock.h"
#include "core/text.h"
#include "firmware/loader.h"
#include "flash/bootloader.h"
#include "flash/wire.h"
#include "mcu/avr-bootloader.h"
#include "mcu/identify.h"

bool kf_wire_is_uart(const struct kf_board *board)
{
	return board->link.type == KF_WIRE_UART || (board->tty[0] && !kf_bootloader_own_usb(board));
}

bool kf_wire_is_avr(const struct kf_board *board)
{
	const struct kf_loader *loader = kf_loader_find(board->mcu, KF_LOADER_ANY);

	return loader && loader->program == KF_PROGRAM_AVRDUDE &&
	       kf_identity_mode(&board->usb) != KF_MODE_KLIPPER;
}

const struct kf_wire_row *kf_wire_row(const struct kf_board *board)
{
	if (kf_board_is_node(board))
		return &kf_wire_can;
	if (kf_board_is_bridge(board))
		return &kf_wire_bridge;
	if (board->link.type == KF_WIRE_PROCESS)
		return &kf_wire_process;
	return kf_wire_is_uart(board) ? &kf_wire_uart : &kf_wire_usb;
}

int kf_wire_dictionary(const struct kf_board *board, int64_t deadline_ms, struct kf_dictionary *ret,
		       struct kf_error *err)
{
	_cleanup_(kf_link_closep) struct kf_link link = KF_LINK_NONE;
	int r = kf_wire_row(board)->open_klipper(board, &link, err);

	if (r == 0 && kf_wire_is_avr(board))
		r = kf_avr_bootloader_leave(&link, deadline_ms, err);
	return r < 0 ? r : kf_klipper_identify(&link, deadline_ms, ret, err);
}

int kf_wire_identify(const struct kf_board *board, int64_t deadline_ms, struct kf_board *ret,
		     struct kf_error *err)
{
	struct kf_dictionary dictionary;
	int r = kf_wire_dictionary(board, deadline_ms, &dictionary, err);

	if (r < 0)
		return r;
	*ret = *board;
	if (kf_wire_row(board) != &kf_wire_usb)
		ret->mode = KF_MODE_KLIPPER;
	KF_COPY(ret->version, dictionary.version);
	return 0;
}

int kf_wire_ask_klipper(const struct kf_board *board, int64_t within_ms, struct kf_board *ret,
			struct kf_error *err)
{
	return kf_wire_identify(board, kf_now_ms() + within_ms, ret, err);
}

int kf_wire_version(const struct kf_board *board, int64_t within_ms, struct kf_board *ret,
		    struct kf_error *err)
{
	struct kf_board now = *board;
	struct kf_error why = { 0 };
	char place[KF_DEV_SIZE];
	int r = now.version[0] ? 0 : kf_wire_row(board)->ask(board, within_ms, &now, &why);

	if (r == -EINTR && err)
		*err = why;
	if (r == -EINTR)
		return r;
	if (r == 0 && now.version[0]) {
		*ret = now;
		return 0;
	}
	kf_board_place(board, place, sizeof(place));
	return kf_fail(err, KF_UNVERIFIED,
		       "the board is back at %s, but does not tell its version: %s",
		       board->tty[0] ? board->tty : place,
		       why.message[0] ? why.message : "it is in Katapult");
}

int kf_wire_silent(struct kf_link *link, const struct kf_board *was, int r, struct kf_error *err)
{
	struct kf_error why = { 0 };
	char rate[32] = "";

	r = kf_link_failed(link, r, &why);
	if (was->version[0] && (why.code == KF_TIMEOUT || why.code == KF_NOT_CONNECTED)) {
		if (link->baud)
			kf_text_format(rate, sizeof(rate), ", %u baud", link->baud);
		kf_fail(err, KF_NO_KATAPULT, "it left Klipper, and no Katapult answers at %s%s",
			link->name, rate);
		return kf_error_hint(
			err,
			"nothing was written: power-cycle it, and its firmware starts; if it "
			"has Katapult, a double click on its reset button starts that%s%s%s",
			link->baud ? "; if that has another rate: kf set " : "",
			link->baud ? was->key[0] ? was->key : "KEY" : "",
			link->baud ? " katapult_baud=BAUD" : "");
	}
	if (why.code != KF_TIMEOUT) {
		if (err)
			*err = why;
		return r;
	}
	kf_fail(err, KF_NOT_CONNECTED, "neither Klipper nor Katapult answers at %s", link->name);
	return kf_error_hint(
		err,
		"check its power and wiring, and that the %s is right; if it was being "
		"flashed before, power-cycle it or double-click its reset button",
		was->link.type == KF_WIRE_CAN ? "UUID" : "baud rate");
}
