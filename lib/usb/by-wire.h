/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Boards that no USB device shows: nodes on CAN, what is behind a UART of this machine, and the
 * host's own MCU. They are known by the registry alone. Nothing is sent to them here: only the wire
 * itself is looked at.
 */
#ifndef KF_USB_BY_WIRE_H
#define KF_USB_BY_WIRE_H

#include "registry/registry.h"

/*
 * The board of a device that has a UUID on CAN or the path of a UART or of the host's own MCU. It
 * counts as connected where its interface can send, or its port is there; else reason says what is
 * wrong, and what to type. False: the device has neither; ret is untouched.
 */
bool kf_wire_board(const struct kf_device *device, struct kf_board *ret);

/*
 * The same for a board whose link (of such a wire) is known already: connected, reason and, on a
 * UART, tty are set. The error is that of the wire: KF_NOT_CONNECTED, KF_CAN_BUS.
 */
int kf_wire_look(struct kf_board *board, struct kf_error *err);

#endif
