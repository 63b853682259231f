/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Klipper's firmware while it runs (its src/command.c, basecmd.c; docs/Protocol.md): message
 * blocks with their sequence, ack and nak, and identify from the dictionary.
 *
 * Modelled: resynchronisation at 0x7e, a nak for each lost block, the sequence that goes on
 * where the last client left it, the text that asks a UART build for its bootloader. Every other
 * command is acknowledged and does nothing.
 */
#ifndef SIM_KLIPPER_H
#define SIM_KLIPPER_H

#include "sim/mcu.h"

struct sim_klipper {
	struct sim_mcu mcu;	 /* first: a sim_mcu is cast back */
	const uint8_t *identify; /* the compressed dictionary; the caller's */
	size_t identify_len;

	uint8_t sequence; /* of the next block */
	bool hunting, nacked;
	bool wants_bootloader; /* it was asked to leave */
};

/* Sets the state after a reset; the caller sets identify. */
void sim_klipper_init(struct sim_klipper *k, enum sim_wire wire);

#endif
