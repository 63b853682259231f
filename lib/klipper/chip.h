/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a micro-controller has its flash and its RAM: what an image for it can be held against.
 * Sizes are those of the largest part that goes by a name; what a tree's Kconfig says is the
 * smallest part's, and boards with a larger one would be refused.
 */
#ifndef KF_KLIPPER_CHIP_H
#define KF_KLIPPER_CHIP_H

#include "core/base.h"

struct kf_chip {
	const char *name; /* an fnmatch(3) pattern of Kconfig's CONFIG_MCU, in any case */
	uint32_t flash, flash_bytes;
	uint32_t ram, ram_bytes; /* where Klipper and Kalico put the stack */
	uint32_t vectors;     /* bytes of a loader before the vector table at the start of flash */
	bool mirrored;	      /* flash is also seen at 0, and code is linked for there */
	uint32_t families[3]; /* UF2's, as far as there are any */
};

/* NULL: not known, or no Cortex-M (AVR, PRU, Linux). */
const struct kf_chip *kf_chip_find(const char *mcu);

/* Is there a Katapult for it? Katapult's src/ has STM32, RP2040, RP2350 and LPC176x. */
bool kf_chip_katapult(const char *mcu);

/* The entry in menuconfig for an application that starts at start. chip may be NULL. */
void kf_chip_entry(const struct kf_chip *chip, uint32_t start, char ret[KF_NAME_SIZE]);

#endif
