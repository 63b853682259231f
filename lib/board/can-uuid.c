/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "board/can-uuid.h"
#include "core/bytes.h"
#include "core/text.h"

#define SEED	 0xa16231a7ull
#define CHIP_MAX 64 /* bytes; the longest chip id of Klipper's has 16 */

static uint64_t mix(uint64_t h)
{
	h ^= h >> 23;
	h *= 0x2127599bf4325c37ull;
	return h ^ h >> 47;
}

/* fast-hash by Zilong Tan: 8 bytes at a time, little-endian, the rest padded with zeros. */
static uint64_t fasthash64(const uint8_t *data, size_t len)
{
	const uint64_t m = 0x880355f21e6d1965ull;
	uint64_t h = SEED ^ len * m;

	for (size_t at = 0; at < len; at += 8) {
		uint64_t v = 0;

		for (size_t i = 0; i < 8 && at + i < len; i++)
			v |= (uint64_t)data[at + i] << (8 * i);
		h = (h ^ mix(v)) * m;
	}
	return mix(h);
}

/* All of text: -1 unless it is an even number of digits, at most size bytes of them. */
static int read_hex(const char *text, uint8_t *ret, size_t size)
{
	size_t digits = strlen(text);

	if (digits % 2 || digits / 2 > size)
		return -1;
	for (size_t i = 0; i < digits; i += 2) {
		int high = kf_hex_digit(text[i]), low = kf_hex_digit(text[i + 1]);

		if (high < 0 || low < 0)
			return -1;
		ret[i / 2] = (uint8_t)(high << 4 | low);
	}
	return (int)(digits / 2);
}

bool kf_can_uuid_from_serial(const char *serial, char ret[KF_CAN_UUID_SIZE])
{
	uint8_t chip[CHIP_MAX], uuid[KF_CAN_UUID_BYTES];
	int len = read_hex(serial, chip, sizeof(chip));
	uint64_t hash;

	if (len <= 0)
		return false;
	hash = fasthash64(chip, (size_t)len);
	for (size_t i = 0; i < sizeof(uuid); i++)
		uuid[i] = (uint8_t)(hash >> (8 * i));
	kf_can_uuid_format(uuid, ret);
	return true;
}

bool kf_can_uuid_parse(const char *text, uint8_t ret[KF_CAN_UUID_BYTES])
{
	uint8_t uuid[KF_CAN_UUID_BYTES];

	if (read_hex(text, uuid, sizeof(uuid)) != sizeof(uuid))
		return false;
	memcpy(ret, uuid, sizeof(uuid));
	return true;
}

void kf_can_uuid_format(const uint8_t uuid[KF_CAN_UUID_BYTES], char ret[KF_CAN_UUID_SIZE])
{
	kf_text_format(ret, KF_CAN_UUID_SIZE, "%02x%02x%02x%02x%02x%02x", uuid[0], uuid[1], uuid[2],
		       uuid[3], uuid[4], uuid[5]);
}
