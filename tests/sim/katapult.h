/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Katapult as it behaves, byte for byte (its src/command.c, flashcmd.c; proved against
 * the recorded exchanges in tests/fixtures/katapult.jsonl and katapult-can-uart.jsonl).
 *
 * Modelled: framing with its resynchronisation, which skips to the next 0x01 and, when
 * that is the first byte already, skips nothing for ever (the wedge); the one NACK; each
 * command; the departure 100 ms after COMPLETE; a bus fault's silence. Genuine builds have
 * blocks of 64 bytes; for larger ones the buffers are scaled, which nobody has measured.
 * Not modelled: the button and double reset, the status LED.
 */
#ifndef SIM_KATAPULT_H
#define SIM_KATAPULT_H

#include "sim/flash.h"
#include "sim/mcu.h"

struct sim_katapult {
	struct sim_mcu mcu; /* first: a sim_mcu is cast back */
	struct sim_flash *flash;
	char name[64];	  /* the MCU's */
	char version[64]; /* its own; empty: protocol 1.0.0, which does not tell */
	uint32_t start, block_bytes;
	uint8_t uuid[6]; /* on CAN */

	bool hunting;	  /* for a 0x01 */
	bool nacked;	  /* since the last good frame */
	int64_t leave_us; /* COMPLETE: when it starts the application; else SIM_NEVER */
};

/*
 * Fill in from name, version, start, block_bytes and flash (which stays the caller's), as
 * after a reset. block_bytes is 64, 128, 256 or 512.
 */
void sim_katapult_init(struct sim_katapult *k, enum sim_wire wire);

#endif
