/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which board is which MCU of which printer: by the port that its configuration names, else by the
 * chip's serial number in that name, which a board keeps in its bootloader.
 */
#ifndef KF_PRINTER_BOARDS_H
#define KF_PRINTER_BOARDS_H

#include "printer/printer.h"
#include "usb/inventory.h"

/* Has the board the serial number that the MCU's by-id name ends in, whatever its port? */
bool kf_mcu_has_serial(const struct kf_mcu *mcu, const struct kf_board *board);

/* Is the board this node on CAN, by its UUID there, or by the chip that USB shows? */
bool kf_mcu_is_node(const struct kf_mcu *mcu, const struct kf_board *board);

/* The wire by which its configuration reaches it. */
enum kf_wire kf_mcu_wire(const struct kf_mcu *mcu);

/*
 * Tell a connected board which printer's it is: its printer, baud and, where the Klippy that tells
 * it has the board now, version. What the registry says of a board stays. If several printers name
 * the board, the one counts whose Klippy has its port, else the first.
 */
void kf_printers_name(const struct kf_printers *printers, struct kf_board *board);

/*
 * The same for all boards of an inventory, registered ones that are not connected too. On CAN and a
 * UART the Klippy that names a board is its holder, and a Klippy that works says whether it is
 * connected: of others, reason says why nobody knows. Then add the MCUs that are on no USB port
 * (CAN, UART, the host's own) as boards, unless the inventory is for one key; with
 * inventory->absent, also those whose USB port is not there. Two MCUs of one printer that have one
 * UUID both get KF_AMBIGUOUS. -ENOMEM.
 */
_must_check_ int kf_printers_join(const struct kf_printers *printers,
				  struct kf_inventory *inventory, struct kf_error *err);

#endif
