/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The USB bootloader in the ROM of an RP2040 or RP2350, "BOOTSEL": PICOBOOT (pico-sdk
 * boot/picoboot.h; RP2040 Datasheet, "PICOBOOT Interface"). Pure: bytes and microseconds are passed
 * in.
 *
 * Modelled: a command, its data, the acknowledgement that waits for the flash; what is refused, by
 * a stall of both endpoints until they are cleared; addresses beyond the chip, which wrap around in
 * it; programming, which only clears bits. Not modelled: the drive, whose endpoints stall; what is
 * in the RAM; commands that run code, and those of the RP2350 but REBOOT2.
 */
#ifndef SIM_PICOBOOT_H
#define SIM_PICOBOOT_H

#include "sim/flash.h"
#include "sim/usb.h"

/* Every RP2040 has this one. */
#define SIM_PICOBOOT_SERIAL "E0C9125B0D9B"

enum sim_picoboot_phase {
	SIM_PICOBOOT_COMMAND, /* waits for one */
	SIM_PICOBOOT_RECEIVES,
	SIM_PICOBOOT_SENDS,
	SIM_PICOBOOT_ACKNOWLEDGES, /* with an empty packet */
	SIM_PICOBOOT_ACKNOWLEDGED, /* by the host's empty packet */
};

struct sim_picoboot {
	struct sim_usb_device usb; /* first: a sim_usb_device is cast back */
	struct sim_flash *flash;   /* the caller's */
	bool rp2350;
	uint8_t interface; /* of PICOBOOT */
	enum sim_rom_leave leave;

	enum sim_picoboot_phase phase;
	uint8_t id; /* of the command, and how it went */
	uint32_t token, status;
	uint32_t address, left; /* of its data */
	int64_t busy_until_us;
	bool rebooting;
};

/* The state after a reset into it. no_drive: PICOBOOT is its only interface. */
void sim_picoboot_init(struct sim_picoboot *p, const char *mcu, struct sim_flash *flash,
		       bool no_drive, enum sim_rom_leave leave);

#endif
