/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finds the device on the bus that is a record's board. A record says where the board was; it
 * may have left, come back under another name, or be another one. Identity is the
 * chip's serial; where there is none to see (DFU, BOOTSEL, cloned chips), the USB port.
 */
#ifndef KF_FLASH_TARGET_H
#define KF_FLASH_TARGET_H

#include "usb/devices.h"

/* List the boards that are plugged in, and the process that holds each port. The caller frees ret.
 */
_must_check_ int kf_target_scan(struct kf_boards *ret, struct kf_error *err);

/* Are these two views of one board? */
bool kf_board_same(const struct kf_board *a, const struct kf_board *b);

/* Copy the registry's members (key, name, by_port, of link the UUID and baud rates) from board to
 * now, another view of it. */
void kf_board_keep(struct kf_board *now, const struct kf_board *board);

/*
 * Find in now the board that a record describes. KF_NOT_CONNECTED if it is not there,
 * KF_AMBIGUOUS if more than one fits.
 */
_must_check_ int kf_target_find(const struct kf_boards *now, const struct kf_board *board,
				struct kf_board *ret, struct kf_error *err);

/*
 * Find the board. False: not found, or not known; ret is untouched then. Of a board that no USB
 * device shows, only the wire is looked at: its mode stays.
 */
bool kf_target_look(const struct kf_board *board, struct kf_board *ret);

#endif
