/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The link to a board, by what runs on it now. */
#ifndef KF_FLASH_BOARD_LINK_H
#define KF_FLASH_BOARD_LINK_H

#include "link/link.h"

/* For kf_katapult_connect: the board is in Katapult. Errors as kf_link_usb_open. */
_must_check_ int kf_board_open_katapult(const struct kf_board *board, struct kf_link *ret,
					struct kf_error *err);

/* For kf_klipper_identify: the board runs its firmware. Errors as kf_link_uart_open. */
_must_check_ int kf_board_open_klipper(const struct kf_board *board, struct kf_link *ret,
				       struct kf_error *err);

#endif
