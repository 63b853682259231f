/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A board of the tree's scripts/spi_flash/board_defs.py: what flash-sdcard.sh does for a board
 * whose bootloader takes its firmware from an SD card.
 */
#ifndef KF_BUILD_SD_BOARD_H
#define KF_BUILD_SD_BOARD_H

#include "core/error.h"

struct kf_sd_board {
	char mcu[64];
	char file[KF_NAME_SIZE];   /* the name of the firmware on the card */
	char script[KF_NAME_SIZE]; /* of the tree: it converts klipper.bin first; empty: none does
				    */
	bool unique; /* it takes no file under a name that it has seen, so a time is put before it
		      */
};

/*
 * Look the name up. KF_CONFIG: the tree has no such file, or no such board; the message names
 * boards that are like it. KF_NO_TOOLCHAIN, KF_TIMEOUT, KF_INTERRUPTED: python3 cannot be asked.
 */
_must_check_ int kf_sd_board_find(const char *tree_dir, const char *name, struct kf_sd_board *ret,
				  struct kf_error *err);

/*
 * Before anything stops: does flash-sdcard.sh know that board, is that of this MCU, and does its
 * Python run it? KF_MCU_MISMATCH; KF_NO_TOOLCHAIN: a Python or gcc is missing; and as
 * kf_sd_board_find.
 */
_must_check_ int kf_sd_board_check(const char *tree_dir, const char *name, const char *mcu,
				   struct kf_error *err);

#endif
