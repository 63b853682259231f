/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Boards as a person wants to see them, one a line:
 *
 *     [OK] octopus-pro: Octopus Pro v1.1 (stm32h723)  klipper.service  /dev/serial/by-id/usb-...
 *     [--] nitehawk: Nitehawk 36 (rp2040)             not connected
 *     [OK] EBBCan (stm32g0b1xx)                       klipper.service  can0 44db3d634885
 *     [??] toolhead (stm32g0b1xx)                     not asked        can0 aabbccddee02
 *     [??] Unknown device                             other            /dev/serial/by-id/usb-...
 *
 * On a terminal it is no wider than that, and what is odd about a board has a colour too. It
 * formats; whose stream it is, checks it for errors.
 */
#ifndef KF_BOARD_TABLE_H
#define KF_BOARD_TABLE_H

#include "board/board.h"

/*
 * The boards with their columns below each other, and for each the sentence of its problem (code
 * KF_OK: it has none), or what is odd about it, on a line of its own.
 */
void kf_table_write(FILE *out, const struct kf_board *boards, const struct kf_error *problems,
		    size_t count);

#endif
