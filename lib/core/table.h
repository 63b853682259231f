/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Boards as a person wants to see them, one a line:
 *
 *   2 registered, 3 USB devices found
 *     [OK] octopus-pro: Octopus Pro v1.1 (stm32h723)  klipper.service  /dev/serial/by-id/usb-...
 *     [--] nitehawk: Nitehawk 36 (rp2040)             not connected
 *     [??] Unknown device                             other            /dev/serial/by-id/usb-...
 *
 * It formats; whose stream it is, checks it for errors.
 */
#ifndef KF_CORE_TABLE_H
#define KF_CORE_TABLE_H

#include "core/board.h"

struct kf_table_row {
	char mark[5];	 /* "[OK]" connected and registered, "[--]" not connected, "[??]" unknown */
	char who[320];	 /* key, name and MCU */
	char state[384]; /* what is not as usual: mode, version, holder, excluded, duplicate */
	char where[KF_DEV_SIZE]; /* by-id, else by-path, tty or USB port */
	char remark[768];	 /* a sentence for a line of its own, or empty */
};

/* The row of a board, and of what went wrong with it (NULL, or with code KF_OK: nothing). */
void kf_table_row(const struct kf_board *board, const struct kf_error *err,
		  struct kf_table_row *ret);

/* "2 registered, 3 USB devices found". */
void kf_table_head(FILE *out, size_t registered, size_t found);

/* Rows with their columns below each other. */
void kf_table_write(FILE *out, const struct kf_table_row *rows, size_t count);

#endif
