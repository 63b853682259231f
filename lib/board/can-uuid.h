/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A node's UUID on the CAN bus is a hash of the chip id that the same board shows as its USB
 * serial: the first 6 bytes of fasthash64(chip id, 0xa16231a7) (Klipper and Katapult
 * src/generic/canserial.c, canserial_set_uuid; lib/fast-hash). Pure.
 */
#ifndef KF_BOARD_CAN_UUID_H
#define KF_BOARD_CAN_UUID_H

#include "core/base.h"

#define KF_CAN_UUID_BYTES 6
#define KF_CAN_UUID_SIZE  13 /* as text: 12 hexadecimal digits, lower case, and the NUL */

/* The UUID of the chip with this serial; false: it is not the hexadecimal number of a chip. */
bool kf_can_uuid_from_serial(const char *serial, char ret[KF_CAN_UUID_SIZE]);

/* Bytes in the order of the frames. False: text is not 12 hexadecimal digits of either case. */
bool kf_can_uuid_parse(const char *text, uint8_t ret[KF_CAN_UUID_BYTES]);

void kf_can_uuid_format(const uint8_t uuid[KF_CAN_UUID_BYTES], char ret[KF_CAN_UUID_SIZE]);

#endif
