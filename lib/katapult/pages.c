/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <strings.h>

#include "katapult/pages.h"

#define KIB 1024u

/* The first that fits counts. A page ends below limit; the last one of a family has none. */
static const struct {
	const char *prefix;
	uint32_t limit, page_bytes, unit_bytes;
} parts[] = {
	/* 1 KiB or 2, as the chip's flash is small or large: the larger holds for both */
	{ "stm32f0", UINT32_MAX, 2 * KIB, 0 },
	{ "stm32f103", UINT32_MAX, 2 * KIB, 0 },
	{ "stm32f2", 0x08010000, 16 * KIB, 0 },
	{ "stm32f2", 0x08020000, 64 * KIB, 0 },
	{ "stm32f2", UINT32_MAX, 128 * KIB, 0 },
	{ "stm32f4", 0x08010000, 16 * KIB, 0 },
	{ "stm32f4", 0x08020000, 64 * KIB, 0 },
	{ "stm32f4", UINT32_MAX, 128 * KIB, 0 },
	{ "stm32g0", UINT32_MAX, 2 * KIB, 0 },
	{ "stm32g4", UINT32_MAX, 2 * KIB, 0 },
	{ "stm32h7", UINT32_MAX, 128 * KIB, 0 },
	/* 256 bytes are collected, and written when another page is begun; a sector is erased */
	{ "rp2040", UINT32_MAX, 4 * KIB, 0 },
	{ "rp2350", UINT32_MAX, 4 * KIB, 0 },
	/* 256 bytes are collected, and written when they are whole (IAP writes no less) */
	{ "lpc176", 0x00010000, 4 * KIB, 256 },
	{ "lpc176", UINT32_MAX, 32 * KIB, 256 },
};

struct kf_katapult_pages kf_katapult_pages_find(const char *mcu, uint32_t start)
{
	struct kf_katapult_pages pages = { 0 };

	for (size_t i = 0; i < KF_ARRAY_SIZE(parts); i++) {
		if (strncasecmp(mcu, parts[i].prefix, strlen(parts[i].prefix)) != 0 ||
		    start >= parts[i].limit)
			continue;
		if (start % parts[i].page_bytes == 0)
			pages.first_bytes = parts[i].page_bytes;
		pages.unit_bytes = parts[i].unit_bytes;
		break;
	}
	return pages;
}
