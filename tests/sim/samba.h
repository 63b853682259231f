/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SAM-BA over USB, as bossac finds it: in the ROM of a SAM3X8E (SAM3X/SAM3A datasheet, "SAM-BA
 * Boot" and "EEFC"), and in the Arduino bootloader of a SAMD21 (its SAM-BA with the commands X, Y
 * and Z).
 *
 * Modelled: the monitor's commands, RAM, the flash controller with its page buffer, bossac's applet
 * that copies words (the only code that it runs there), the bit that says whether a reset starts
 * the ROM, and that the ROM reads zeros where it reads flash directly. Not modelled: locks,
 * security, brownout.
 */
#ifndef SIM_SAMBA_H
#define SIM_SAMBA_H

#include "sim/flash.h"
#include "sim/mcu.h"

struct sim_samba {
	struct sim_mcu mcu; /* first: a sim_mcu is cast back */
	struct sim_flash *flash;
	bool samd;
	bool boots_flash; /* a SAM3X: GPNVM bit 1 */
	int64_t leave_us; /* it was reset */

	uint8_t ram[0x18000], page[256];
	uint32_t result;		  /* of the flash controller's last command */
	uint32_t row;			  /* NVMCTRL's ADDR, in bytes */
	uint32_t source;		  /* of Y */
	uint32_t data_address, data_left; /* of S */
};

void sim_samba_init(struct sim_samba *s, const char *mcu);

#endif
