/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "firmware/rp2-boot.h"
#include "core/bytes.h"

/* The start of an image definition (RP2350 Datasheet, "Blocks"): PICOBIN_BLOCK_MARKER_START. */
#define MARKER 0xffffded3u

/* RP2040 Datasheet, "Checksum": CRC-32 that is not reflected and has no final xor. */
#define POLYNOMIAL 0x04c11db7u

bool kf_rp2_stage_good(const uint8_t stage[KF_RP2_STAGE_BYTES])
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < KF_RP2_STAGE_BYTES - 4; i++) {
		crc ^= (uint32_t)stage[i] << 24;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 31 ? crc << 1 ^ POLYNOMIAL : crc << 1;
	}
	return crc == kf_get_le32(stage + KF_RP2_STAGE_BYTES - 4);
}

bool kf_rp2_definition_find(const uint8_t *image, size_t len, size_t *ret)
{
	for (size_t i = 0; i + 4 <= len && i < KF_RP2_DEFINITION_WITHIN; i += 4) {
		if (kf_get_le32(image + i) != MARKER)
			continue;
		*ret = i;
		return true;
	}
	return false;
}
