/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A source tree's config/generic-*.cfg tell in prose how to build the firmware of a board. This
 * reads the files that use the pins of the printer, as text. Only facts on which all of them agree
 * count.
 */
#ifndef KF_BUILD_BOARD_HEADERS_H
#define KF_BUILD_BOARD_HEADERS_H

#include "build/tree.h"
#include "firmware/printer-pins.h"

/* False: no board of the tree has these pins and this MCU. ret_from is the first that has. */
bool kf_board_headers_find(const struct kf_tree *tree, const struct kf_pins *pins, const char *mcu,
			   struct kf_board_header *ret, char ret_from[KF_NAME_SIZE]);

#endif
