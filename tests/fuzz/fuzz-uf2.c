/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * UF2 whose blocks have their magic numbers and their places: a mutation of the file would
 * nearly always end there. The input is, for each block, flags (1), address (4), bytes of payload
 * (2) and what the payload is filled with (1), in little-endian.
 */
#include "core/bytes.h"
#include "fuzz/segments.h"

enum { SPEC = 8, BLOCK = 512, PAYLOAD_AT = 32, PAYLOAD_MAX = 476, END_AT = 508 };
enum { NOT_FLASH = 0x1, FAMILY = 0x2000 };

static void make_block(uint8_t *block, const uint8_t *spec, uint32_t number, uint32_t count,
		       struct segments *segments)
{
	uint32_t bytes = (uint32_t)(spec[5] | spec[6] << 8) % (PAYLOAD_MAX + 8);
	const uint32_t words[] = { 0x0a324655,
				   0x9e5d5157,
				   FAMILY | (spec[0] & NOT_FLASH),
				   kf_get_le32(spec + 1),
				   bytes,
				   number,
				   count,
				   0xe48bff56 };

	for (size_t i = 0; i < KF_ARRAY_SIZE(words); i++)
		kf_put_le32(block + 4 * i, words[i]);
	memset(block + PAYLOAD_AT, spec[7], PAYLOAD_MAX);
	kf_put_le32(block + END_AT, 0x0ab16f30);
	if (!(spec[0] & NOT_FLASH) && bytes <= PAYLOAD_MAX)
		segments->list[segments->count++] = (struct segment){
			.address = kf_get_le32(spec + 1),
			.data = block + PAYLOAD_AT,
			.len = bytes,
		};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t count = len / SPEC < SEGMENTS_MAX ? len / SPEC : SEGMENTS_MAX;
	_cleanup_(kf_freep) uint8_t *file = calloc(count + 1, BLOCK);
	struct segments segments = { .count = 0 };

	ALWAYS(file != NULL);
	for (size_t i = 0; i < count; i++)
		make_block(file + i * BLOCK, data + i * SPEC, (uint32_t)i, (uint32_t)count,
			   &segments);
	if (count > 0)
		segments_compare(&segments, file, count * BLOCK);
	return 0;
}
