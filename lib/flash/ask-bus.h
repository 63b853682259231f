/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ask all nodes of a CAN bus who they are: only where the user asks for it. */
#ifndef KF_FLASH_ASK_BUS_H
#define KF_FLASH_ASK_BUS_H

#include "printer/printer.h"
#include "usb/inventory.h"

/*
 * Send "00" on the interface: all nodes without an id answer at once. So many answers can bring a
 * bus into errors (Moonraker's documentation, canbus queries), so nothing is sent while a Klippy
 * prints over it. Nodes that the inventory has get their mode, others are added; two that show one
 * UUID get KF_AMBIGUOUS. A configured node that no Klippy has and that does not answer gets a
 * reason. asks is called right before anything is sent.
 * KF_PRINTING, KF_PRINTER_UNKNOWN: nothing was sent. KF_NOT_CONNECTED, KF_CAN_BUS ...: kf_can_open.
 */
_must_check_ int kf_bus_ask(struct kf_inventory *inventory, const struct kf_printers *printers,
			    const char *interface, void (*asks)(const char *interface),
			    struct kf_error *err);

#endif
