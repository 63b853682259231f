/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image of the bootloader Katapult, which has no dictionary. */
#ifndef KF_FIRMWARE_KATAPULT_IMAGE_H
#define KF_FIRMWARE_KATAPULT_IMAGE_H

#include "firmware/dictionary.h"

#define KF_KATAPULT_APP "Katapult" /* kf_dictionary's app for it */

/*
 * Where Katapult's signature is, if this is the reset vector of a Katapult: Klipper finds it so
 * (src/generic/armcm_reset.c), right before the code. Its length is KF_KATAPULT_SIGNATURE_SIZE.
 */
enum { KF_KATAPULT_SIGNATURE_SIZE = 8 };
uint32_t kf_katapult_signature_at(uint32_t reset_vector);
bool kf_katapult_signature(const uint8_t bytes[KF_KATAPULT_SIGNATURE_SIZE]);

/*
 * Is it a Katapult for the start of a chip's flash? Its signature has to be where Klipper looks for
 * it, and the name of a chip that has a Katapult in its bytes. start is where data goes, NULL if
 * the file does not say it (.bin); *ret_start is set either way. ret has app, mcu and, as far as it
 * can be found, version.
 */
bool kf_katapult_image(const uint8_t *data, size_t len, const uint32_t *start,
		       struct kf_dictionary *ret, uint32_t *ret_start);

#endif
