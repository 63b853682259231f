/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The methods for a bootloader in a chip's ROM, which is a USB device without a serial port. This
 * is the order of a flash, the same for all; a row of functions says how each is talked to
 * (method-picoboot.c, method-dfu.c).
 */
#ifndef KF_FLASH_ROM_H
#define KF_FLASH_ROM_H

#include "dfu/session.h"
#include "flash/attempt.h"
#include "picoboot/session.h"

/* A conversation. */
struct kf_rom {
	const struct kf_rom_row *row;
	const struct kf_method_row *method;
	const struct kf_attempt *attempt; /* NULL: it is only looked at */
	const struct kf_board *board;	  /* as it is now */
	struct kf_usb_handle *usb;
	int64_t deadline_ms;
	struct kf_picoboot picoboot;
	struct kf_dfu dfu;
};

struct kf_rom_row {
	/* A bootloader before the firmware may be another one than Katapult: the board maker's. */
	bool other_bootloaders;
	/* Take the open device. KF_BUSY: another program has it. */
	int (*begin)(struct kf_rom *rom, struct kf_error *err);
	/* Is the image for this chip, and the flash large enough? Nothing is written. */
	int (*check)(struct kf_rom *rom, const struct kf_image *image, uint32_t start,
		     struct kf_error *err);
	int (*read)(struct kf_rom *rom, uint32_t address, uint8_t *ret, size_t len,
		    struct kf_error *err);
	/* Erase what the image covers, and write it; the first byte goes to start. */
	int (*write)(struct kf_rom *rom, const struct kf_image *image, uint32_t start,
		     const struct kf_progress *progress, struct kf_error *err);
	/* Read back and compare. KF_VERIFY_FAILED. */
	int (*verify)(struct kf_rom *rom, const struct kf_image *image, uint32_t start,
		      struct kf_progress_part *progress, struct kf_error *err);
	/* Start the firmware; 0 also if the board has left before it answered. */
	int (*leave)(struct kf_rom *rom, struct kf_error *err);
};

/*
 * Compare the image with the chip and with what is in the flash, write it unless it is there
 * already (a->plan->options.force: in any case), read it back, start it. Sets the results in a.
 *
 * Nothing is written, and a board that we brought into this bootloader goes back to its firmware:
 *   KF_MCU_MISMATCH, KF_BAD_IMAGE, KF_TOO_LARGE   the image is not for this chip or this flash
 *   KF_WRONG_OFFSET   Katapult (for a Katapult: another one) lies where the image would go, and
 *                     --replace-bootloader is not given; the image leaves room for a bootloader,
 *                     and there is none, or Klipper instead: it would not start; or nothing tells
 *                     where a .bin goes
 *   KF_BUSY, KF_PERMISSION, KF_GONE, KF_IO
 *
 * Something may be written: KF_FLASH_FAILED (the ROM refuses a command), KF_VERIFY_FAILED,
 * KF_TIMEOUT, KF_GONE, KF_PROTOCOL, KF_INTERRUPTED. KF_LEFT_IN_BOOTLOADER: all is written, but it
 * does not start it.
 */
_must_check_ int kf_rom_flash(struct kf_attempt *a, struct kf_error *err);

/*
 * Read the flash of a board that waits in a ROM: is there no bootloader in it, so that firmware for
 * a place behind one would not start? False where it cannot be told: another program is there,
 * which may be one, or the MCU is not known. Nothing is written. Errors of kf_usb_open, and of the
 * row's begin and read.
 */
_must_check_ int kf_rom_bare(const struct kf_board *board, int64_t deadline_ms, bool *ret,
			     struct kf_error *err);

extern const struct kf_rom_row kf_rom_picoboot, kf_rom_dfu;

#endif
