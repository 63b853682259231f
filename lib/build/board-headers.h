/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a source tree's own config/generic-*.cfg say in prose of the firmware for the board that has
 * a printer's pins. Only what all boards with these pins say alike counts. Files are read as text.
 */
#ifndef KF_BUILD_BOARD_HEADERS_H
#define KF_BUILD_BOARD_HEADERS_H

#include "build/tree.h"
#include "firmware/printer-pins.h"

/* False: no board of the tree has these pins and this MCU. ret_from is the first that has. */
bool kf_board_headers_find(const struct kf_tree *tree, const struct kf_pins *pins, const char *mcu,
			   struct kf_board_header *ret, char ret_from[KF_NAME_SIZE]);

#endif
