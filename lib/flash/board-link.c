/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "flash/board-link.h"

enum { BAUD = 250000 };

/* Katapult's own USB is cdc_acm; through a USB-to-serial chip, that one's ids show. */
static bool is_usb_cdc(const struct kf_usb *usb)
{
	return strcmp(usb->vendor, "1d50") == 0 && strcmp(usb->product, "6177") == 0;
}

int kf_board_open_katapult(const struct kf_board *board, struct kf_link *ret, struct kf_error *err)
{
	return is_usb_cdc(&board->usb) ? kf_link_usb_open(board->tty, ret, err)
				       : kf_link_uart_open(board->tty, BAUD, ret, err);
}

int kf_board_open_klipper(const struct kf_board *board, struct kf_link *ret, struct kf_error *err)
{
	return kf_link_uart_open(board->tty, BAUD, ret, err);
}
