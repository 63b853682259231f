/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The bootloaders of AVR boards, as avrdude finds them: STK500 version 2 (Arduino's stk500boot of
 * an ATmega2560: its stk500boot.c), STK500 version 1 (optiboot) and AVR109 (Caterina of an
 * ATmega32U4).
 *
 * Modelled: sign-on, signature, fuses, address, writing and reading pages; the time after which the
 * firmware starts. stk500boot starts it after a second of silence, but once it has received
 * anything, whatever that is, only after a silence. optiboot starts it at once when it receives
 * what it does not know. Not modelled: EEPROM.
 */
#ifndef SIM_AVR_H
#define SIM_AVR_H

#include "sim/flash.h"
#include "sim/mcu.h"

struct sim_avr {
	struct sim_mcu mcu; /* first: a sim_mcu is cast back */
	struct sim_flash *flash;
	uint8_t signature[3];
	uint32_t address; /* in bytes */
	int64_t leave_us; /* when the firmware starts */
	int64_t quiet_us; /* the silence after which it does */
	bool leaving;	  /* it does, whatever comes */
};

/* name: "stk500v2", "stk500" or "avr109". False: there is none of that name, or for that MCU. */
_must_check_ bool sim_avr_init(struct sim_avr *a, const char *name, const char *mcu,
			       enum sim_wire wire, int64_t now_us);

#endif
