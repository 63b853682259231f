/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ask a board by its own wire what it can tell of its configuration. */
#ifndef KF_FLASH_ASK_BOARD_H
#define KF_FLASH_ASK_BOARD_H

#include "build/configuring.h"

/*
 * A kf_tell: ask Klipper for its dictionary, Katapult for its MCU and where it starts the
 * application, and a chip's ROM whether there is a bootloader in the flash. The board keeps its
 * mode. KF_NOT_CONNECTED; KF_BUSY: a program has its port; errors of opening the port and of
 * kf_klipper_dictionary, kf_katapult_connect, kf_facts_parse and kf_rom_bare.
 */
_must_check_ int kf_board_ask(const struct kf_board *board, struct kf_board_told *ret,
			      struct kf_error *err);

#endif
