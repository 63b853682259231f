/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SAM-BA over USB, as bossac finds it: in the ROM of a SAM3X8E and a SAME70 (SAM3X/SAM3A and SAM
 * E70 datasheets, "SAM-BA Boot" and "EEFC"), and in the Arduino bootloader of a SAMD21 and a SAME54
 * (its SAM-BA with the commands X, Y and Z).
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

struct sim_samba_part; /* of samba.c's table */

struct sim_samba {
	struct sim_mcu mcu; /* first: a sim_mcu is cast back */
	struct sim_flash *flash;
	const struct sim_samba_part *part;
	bool boots_flash; /* one with its SAM-BA in ROM: GPNVM bit 1 */
	int64_t leave_us; /* it was reset */

	uint8_t ram[0x18000], page[512];
	uint32_t result;		  /* of the flash controller's last command */
	uint32_t row;			  /* NVMCTRL's ADDR, in bytes */
	uint32_t source;		  /* of Y */
	uint32_t data_address, data_left; /* of S */
};

/* False: no such part is known here. */
bool sim_samba_init(struct sim_samba *s, const char *mcu);

/* Is that part's SAM-BA in its ROM? Else it is a bootloader at the start of its flash. */
bool sim_samba_in_rom(const char *mcu);

#endif
