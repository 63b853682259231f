/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ask a board by its own wire what it can tell of its configuration. */
#ifndef KF_FLASH_ASK_BOARD_H
#define KF_FLASH_ASK_BOARD_H

#include "build/from-board.h"

/*
 * A kf_tell: Klipper for its dictionary, Katapult for its MCU and where it starts the application,
 * a chip's ROM for whether there is a bootloader in the flash. The board stays where it is.
 * KF_NOT_CONNECTED; KF_BUSY: a program has its port; what opening the port and
 * kf_klipper_dictionary, kf_katapult_connect, kf_facts_parse and kf_rom_bare say.
 */
_must_check_ int kf_board_ask(const struct kf_board *board, struct kf_board_told *ret,
			      struct kf_error *err);

#endif
