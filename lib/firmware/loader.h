/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The bootloaders that a tree's `make flash` can talk to, and by which program. Sources, in Klipper
 * and Kalico: MCUTYPES of scripts/flash_usb.py and the flash rules of src/<arch>/Makefile for the
 * programs; bootloader_request() of src/<arch>/ and STM32_DFU_ROM_ADDRESS of src/stm32/Kconfig for
 * where Klipper goes when it is asked (1200 baud).
 */
#ifndef KF_FIRMWARE_LOADER_H
#define KF_FIRMWARE_LOADER_H

#include "core/base.h"

enum kf_program {
	KF_PROGRAM_NONE, /* make flash does not know this chip */
	KF_PROGRAM_DFU_UTIL,
	KF_PROGRAM_AVRDUDE,
	KF_PROGRAM_BOSSAC,	 /* built by make flash, in the tree's lib/ */
	KF_PROGRAM_RP2040_FLASH, /* likewise */
	KF_PROGRAM_HID_FLASH,	 /* likewise */
	KF_PROGRAM_HOST_MCU,	 /* none: the firmware is itself a program of this machine */
};

struct kf_loader {
	const char *mcu; /* an fnmatch(3) pattern of Kconfig's CONFIG_MCU, in any case */
	uint32_t start;	 /* of firmware that is used with it; KF_LOADER_ANY: of all other */
	enum kf_program program;
	/* its USB ids where it has no serial port, and so no serial of the chip's; else NULL */
	const char *vendor, *product;
	bool entered; /* Klipper enters it on request; else only the user can start it */
};

#define KF_LOADER_ANY UINT32_MAX

/*
 * The row for firmware of mcu whose application is at start (KF_LOADER_ANY: not known). NULL: a
 * chip that the table does not have; a newer tree may know it.
 */
const struct kf_loader *kf_loader_find(const char *mcu, uint32_t start);

/* Does its program reach the chip through a USB-to-serial chip too? loader may be NULL. */
bool kf_loader_by_uart(const struct kf_loader *loader);

/*
 * Could a Katapult, of Katapult's own or of a fork, be where this loader would be? AVR, Atmel's SAM
 * and the host's own MCU have none. NULL, a chip that is not known: yes.
 */
bool kf_loader_beside_katapult(const struct kf_loader *loader);

/*
 * "sam_rom" (SAM3, SAM4, SAME70), "samd" (SAMD, SAME5) or "avr": a bootloader that board.h has no
 * mode for, as its program enters it by itself. Empty: another one. loader may be NULL.
 */
const char *kf_loader_name(const struct kf_loader *loader);

/* avrdude's -c for this AVR, as src/avr/Kconfig's AVRDUDE_PROTOCOL has it. */
const char *kf_loader_avr_programmer(const char *mcu);

#endif
