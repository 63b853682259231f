/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The application in a board's flash: made up for a new board, or whatever was flashed.
 * It runs only if it would on silicon: written whole, linked for this address, for
 * this MCU.
 */
#ifndef SIM_FIRMWARE_H
#define SIM_FIRMWARE_H

#include "sim/flash.h"

struct sim_firmware {
	const uint8_t *dictionary; /* zlib data, in the flash */
	size_t dictionary_len;
	char app[32], version[KF_NAME_SIZE], mcu[64];
	bool bridge; /* its USB is a CAN adapter: Klipper's constant CANBUS_BRIDGE */
	bool node;   /* it has no USB, but CAN: CANBUS_FREQUENCY without that */
};

/* Write a small image with a vector table and a dictionary that says this, at start. */
_must_check_ int sim_firmware_make(struct sim_flash *flash, uint32_t start, const char *app,
				   const char *mcu, const char *version, struct kf_error *err);

/*
 * Write what tells a Katapult to others: its vectors, and the signature that Klipper looks for
 * (its src/stm32/armcm_reset.c), at the beginning of the flash. And: does one begin there?
 */
void sim_firmware_make_katapult(struct sim_flash *flash);
bool sim_firmware_has_katapult(const struct sim_flash *flash);

/* The version of a Katapult that somebody has written: the text behind the name of the MCU. */
void sim_firmware_katapult_version(const struct sim_flash *flash, const char *mcu, char ret[64]);

/*
 * Write what the ROM of an RP2040 or RP2350 wants at the beginning of the flash, before it starts
 * what is there: a second stage with its checksum, or an image definition. And: is it there? Any
 * other chip starts anything.
 */
void sim_firmware_make_bootable(struct sim_flash *flash);
bool sim_firmware_is_bootable(const struct sim_flash *flash);

/* Does the bootloader see an application at start? It looks at the first word only. */
bool sim_firmware_present(const struct sim_flash *flash, uint32_t start);

/* Does the application at start run on this MCU? If not, err says why. */
_must_check_ int sim_firmware_find(const struct sim_flash *flash, uint32_t start, const char *mcu,
				   struct sim_firmware *ret, struct kf_error *err);

#endif
