/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The USB descriptors of a board, by what runs on it (protocols.md, "USB identities"). */
#ifndef SIM_IDENTITY_H
#define SIM_IDENTITY_H

#include "sim/board.h"

/* Empty strings are absent, as a CH340's are. */
struct sim_identity {
	struct sim_ids usb;
	const struct sim_usb_device *device; /* what libusb's programs can open; else NULL */
	char manufacturer[KF_NAME_SIZE], product[KF_NAME_SIZE], serial[KF_NAME_SIZE];
	char port[64];
	bool tty, adapter; /* adapter: a USB-to-UART chip, ttyUSBn */
	char net[16];	   /* a bridge's CAN interface; empty: none */
	bool net_down;	   /* nobody sets it up */
	char uart[16];	   /* a UART of the host's own, not on USB: its tty; else empty */
};

void sim_identity_of(const struct sim_board *board, struct sim_identity *ret);

#endif
