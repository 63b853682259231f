/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Identity is the chip's serial, then the USB port; never the name. */
#include <string.h>
#include <strings.h>

#include "board/identity.h"
#include "core/text.h"
#include "flash/target.h"
#include "usb/by-wire.h"
#include "usb/holder.h"

int kf_target_scan(struct kf_boards *ret, struct kf_error *err)
{
	int r = kf_usb_scan(ret, err);

	if (r == 0)
		kf_holders_find(ret->list, ret->count);
	return r;
}

bool kf_board_same(const struct kf_board *a, const struct kf_board *b)
{
	bool rom = kf_board_in_rom(a) || kf_board_in_rom(b);

	if (!a->usb.port[0] && !b->usb.port[0])
		return a->link.uuid[0] ? strcmp(a->link.uuid, b->link.uuid) == 0
				       : a->link.path[0] && strcmp(a->link.path, b->link.path) == 0;
	if (!rom && !a->by_port && !b->by_port &&
	    (kf_serial_unique(a->usb.serial) || kf_serial_unique(b->usb.serial)))
		return strcasecmp(a->usb.serial, b->usb.serial) == 0;
	return a->usb.port[0] && strcmp(a->usb.port, b->usb.port) == 0;
}

void kf_board_keep(struct kf_board *now, const struct kf_board *board)
{
	KF_COPY(now->key, board->key);
	KF_COPY(now->name, board->name);
	now->by_port = board->by_port;
	if (!now->mcu[0])
		KF_COPY(now->mcu, board->mcu);
	/* A scan shows no UUID and no baud rates. */
	if (board->link.type == KF_WIRE_CAN && now->link.type == KF_WIRE_CAN && !now->link.uuid[0])
		KF_COPY(now->link.uuid, board->link.uuid);
	now->link.baud = board->link.baud;
	now->link.katapult_baud = board->link.katapult_baud;
}

int kf_target_find(const struct kf_boards *now, const struct kf_board *board, struct kf_board *ret,
		   struct kf_error *err)
{
	const struct kf_board *found = NULL;

	for (size_t i = 0; i < now->count; i++) {
		if (!kf_board_same(&now->list[i], board))
			continue;
		if (found && strcmp(found->usb.port, now->list[i].usb.port) != 0)
			return kf_fail(err, KF_AMBIGUOUS,
				       "two boards have serial number %s: on USB ports %s and %s",
				       board->usb.serial, found->usb.port, now->list[i].usb.port);
		/* A composite device has several ports: the record names one of them. */
		if (found && board->tty[0] && strcmp(found->tty, board->tty) == 0)
			continue;
		if (!found || strcmp(now->list[i].tty, board->tty) == 0)
			found = &now->list[i];
	}
	if (!found)
		return kf_fail(err, KF_NOT_CONNECTED,
			       "no longer connected: it was at %s (USB port %s, serial number %s)",
			       board->tty[0] ? board->tty : "no port", board->usb.port,
			       board->usb.serial[0] ? board->usb.serial : "none");
	*ret = *found;
	return 0;
}

bool kf_target_look(const struct kf_board *board, struct kf_board *ret)
{
	struct kf_boards now = { 0 };
	bool found;

	if (!board->usb.port[0]) {
		*ret = *board;
		return kf_wire_look(ret, NULL) == 0;
	}
	if (kf_usb_scan(&now, NULL) < 0)
		return false;
	found = kf_target_find(&now, board, ret, NULL) == 0;
	if (found)
		kf_board_keep(ret, board);
	kf_boards_free(&now);
	return found;
}
