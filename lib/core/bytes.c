/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Integers and checksums as they stand in frames and files. */
#include "core/bytes.h"

#define CRC16_POLYNOMIAL 0x8408 /* 0x1021, least significant bit first */

uint32_t kf_get_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void kf_put_le32(uint8_t *p, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

int kf_hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

uint16_t kf_crc16(const void *data, size_t len)
{
	const uint8_t *p = data;
	unsigned crc = 0xffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ CRC16_POLYNOMIAL : crc >> 1;
	}
	return (uint16_t)crc;
}

int kf_bytes_verify(uint32_t address, const uint8_t *wrote, const uint8_t *got, size_t len,
		    struct kf_error *err)
{
	for (size_t at = 0; at < len; at++)
		if (got[at] != wrote[at])
			return kf_fail(err, KF_VERIFY_FAILED,
				       "address 0x%08zx: wrote 0x%02x, read back 0x%02x",
				       address + at, wrote[at], got[at]);
	return 0;
}
