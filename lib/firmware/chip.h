/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The addresses and sizes of flash and RAM by MCU. An image is checked against them.
 * Sizes are those of the largest part that goes by a name; what a tree's Kconfig says is the
 * smallest part's, and boards with a larger one would be refused.
 */
#ifndef KF_FIRMWARE_CHIP_H
#define KF_FIRMWARE_CHIP_H

#include "core/base.h"

struct kf_chip {
	const char *name; /* an fnmatch(3) pattern of Kconfig's CONFIG_MCU, in any case */
	uint32_t flash, flash_bytes;
	uint32_t ram, ram_bytes; /* where Klipper and Kalico put the stack */
	uint32_t vectors;     /* bytes of a loader before the vector table at the start of flash */
	bool definition;      /* its ROM starts only what has an image definition (rp2-boot.h) */
	bool mirrored;	      /* flash is also seen at 0, and code is linked for there */
	uint32_t families[3]; /* UF2's, as far as there are any */
};

/* NULL: not known, or no Cortex-M (AVR, PRU, Linux). */
const struct kf_chip *kf_chip_find(const char *mcu);

/*
 * Does an image whose first byte goes to start hold an application for address, as Kconfig's
 * FLASH_APPLICATION_ADDRESS has it? A loader in the image may come before the application
 * (RP2040), and code may be linked for a mirror of flash (SAM E70). chip may be NULL.
 */
bool kf_chip_starts_at(const struct kf_chip *chip, uint32_t start, uint32_t address);

/*
 * Is there a Katapult for it? As Katapult's menuconfig offers (src/<arch>/Kconfig of v0.0.1-109).
 */
bool kf_chip_katapult(const char *mcu);

/* Has the chip's ROM a bootloader for USB that speaks DFU (0483:df11)? ST's AN2606 says of which.
 */
bool kf_chip_dfu(const char *mcu);

/* The entry in menuconfig for an application that starts at start. chip may be NULL. */
void kf_chip_entry(const struct kf_chip *chip, uint32_t start, char ret[KF_NAME_SIZE]);

#endif
