/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The board's own USB: its names tell its mode; a change re-enumerates it (flash/bootloader.h). */
#include <string.h>

#include "board/port.h"
#include "flash/bootloader.h"
#include "flash/wire.h"

/* The USB port of an Arduino is that of a second chip, which leads to a UART. */
static int open_klipper(const struct kf_board *board, struct kf_link *ret, struct kf_error *err)
{
	return kf_link_uart_open(board->tty, board->link.baud ? board->link.baud : KF_BAUD_DEFAULT,
				 ret, err);
}

/* Katapult's own USB is cdc_acm. A port with other ids may be any serial chip. */
static bool is_usb_cdc(const struct kf_usb *usb)
{
	return strcmp(usb->vendor, "1d50") == 0 && strcmp(usb->product, "6177") == 0;
}

static int open_katapult(const struct kf_board *board, struct kf_link *ret, struct kf_error *err)
{
	return is_usb_cdc(&board->usb) ? kf_link_usb_open(board->tty, ret, err)
				       : kf_link_uart_open(board->tty, KF_BAUD_DEFAULT, ret, err);
}

/* The new firmware may make the board a USB-to-CAN bridge. */
int kf_wire_usb_come_back(struct kf_monitor *monitor, const struct kf_board *board,
			  int64_t deadline_ms, struct kf_board *ret, struct kf_error *err)
{
	struct kf_board now;
	int r = kf_bootloader_return(monitor, board, deadline_ms, &now, err);

	/* A board in the wrong mode is returned too: the caller tells where it is. */
	if (r == 0 || kf_code_errno(KF_LEFT_IN_BOOTLOADER) == r)
		*ret = now;
	return r == 0 && kf_board_is_bridge(&now)
		       ? kf_wire_await_interface(&now, deadline_ms, ret, err)
		       : r;
}

const struct kf_wire_row kf_wire_usb = {
	.ask = kf_wire_ask_klipper,
	.enter = kf_bootloader_enter,
	.open_klipper = open_klipper,
	.open_katapult = open_katapult,
	.come_back = kf_wire_usb_come_back,
};
