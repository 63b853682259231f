/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the ROMs of the RP2040 and RP2350 look for at the start of the flash. They start only what
 * has it; else the board stays in BOOTSEL.
 */
#ifndef KF_FIRMWARE_RP2_BOOT_H
#define KF_FIRMWARE_RP2_BOOT_H

#include "core/base.h"

enum {
	KF_RP2_STAGE_BYTES = 256,	/* the second stage of an RP2040, checksum included */
	KF_RP2_DEFINITION_WITHIN = 4096 /* bytes from the start: the ROM looks no further */
};

/* Has the second stage of an RP2040 the checksum that its last four bytes say? */
bool kf_rp2_stage_good(const uint8_t stage[KF_RP2_STAGE_BYTES]);

/*
 * Find the image definition of an RP2350: *ret is its offset in bytes from the start of the image.
 * False: the image has none where the ROM looks.
 */
bool kf_rp2_definition_find(const uint8_t *image, size_t len, size_t *ret);

#endif
