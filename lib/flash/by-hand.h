/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef KF_FLASH_BY_HAND_H
#define KF_FLASH_BY_HAND_H

#include <jansson.h>

#include "core/error.h"

/*
 * Make a record for one port and one file, named by hand: the board on port (registered
 * or not) and the image's description. port: a device or a link to it, or "can0:UUID". baud: of a
 * UART; 0: the registry's, or the default. A new reference. KF_NOT_CONNECTED: there is no such
 * board; KF_USAGE: it is no port, or has no such rate; KF_CAN_BUS; errors of the image. bootloader:
 * the file should be a Katapult, and an error says so.
 */
_must_check_ int kf_by_hand_record(const char *port, uint32_t baud, const char *firmware,
				   bool bootloader, json_t **ret, struct kf_error *err);

#endif
