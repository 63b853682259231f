/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Is an image what it is taken for? Told from its bytes, not from its name, nor from the
 * configuration that it is said to come from.
 */
#ifndef KF_FIRMWARE_IMAGE_CHECK_H
#define KF_FIRMWARE_IMAGE_CHECK_H

#include "firmware/image.h"

/*
 * app is Klipper's, Kalico's or Katapult's; UF2's family is the MCU's; the vector table (ARMv7-M
 * ARM, B1.5.3) has the stack in RAM and an odd reset vector into the image; the ROM of an RP2040 or
 * RP2350 would start it; the image ends within the flash. start is where the first byte goes, NULL
 * if nobody knows: then the vectors are held against the whole flash. Images for chips without such
 * a table (AVR, Linux) have none to check.
 *
 *   KF_BAD_IMAGE     another app, a hole in a .uf2 or .elf.hex, no UF2 family, a stack outside of
 *                    RAM, an even reset vector, a second stage with a wrong checksum, no image
 *                    definition
 *   KF_MCU_MISMATCH  the UF2's family is another chip's
 *   KF_WRONG_OFFSET  it was linked for another place than start; the hint has menuconfig's entry,
 *                    unless that were "No bootloader": a guess
 *   KF_TOO_LARGE     it goes beyond the end of the flash
 */
_must_check_ int kf_image_check(const struct kf_image *image, const uint32_t *start,
				struct kf_error *err);

/*
 * If a klipper.dict lies beside path, as the build leaves it, it must be the dictionary in the
 * image. KF_BAD_IMAGE: it is another one; KF_IO and the like: it cannot be read.
 */
_must_check_ int kf_image_check_dictionary(const char *path, const struct kf_image *image,
					   struct kf_error *err);

#endif
