/* SPDX-License-Identifier: GPL-3.0-or-later */
/* UF2 (microsoft/uf2: README, "File format"): blocks of 512 bytes, each with its own address. */
#include <string.h>

#include "core/bytes.h"
#include "firmware/segments.h"

enum {
	BLOCK_BYTES = 512,
	PAYLOAD_AT = 32,
	PAYLOAD_MAX = 476,
	END_AT = 508,
	FLAG_NOT_FLASH = 0x1,
	FLAG_FILE = 0x1000,
	FLAG_FAMILY = 0x2000,
};

#define MAGIC_0	  0x0a324655u
#define MAGIC_1	  0x9e5d5157u
#define MAGIC_END 0x0ab16f30u

struct block {
	uint32_t flags, address, bytes, number, count, family;
};

static uint32_t word(const uint8_t *block, size_t index)
{
	return kf_get_le32(block + 4 * index);
}

bool kf_uf2_detect(const uint8_t *file, size_t len)
{
	return len >= 8 && word(file, 0) == MAGIC_0 && word(file, 1) == MAGIC_1;
}

static int read_block(const uint8_t *p, size_t index, struct block *ret, struct kf_error *err)
{
	*ret = (struct block){ .flags = word(p, 2),
			       .address = word(p, 3),
			       .bytes = word(p, 4),
			       .number = word(p, 5),
			       .count = word(p, 6),
			       .family = word(p, 2) & FLAG_FAMILY ? word(p, 7) : 0 };
	if (!kf_uf2_detect(p, BLOCK_BYTES) || kf_get_le32(p + END_AT) != MAGIC_END)
		return kf_fail(err, KF_BAD_IMAGE, "UF2 block %zu: wrong magic numbers", index);
	if (ret->bytes > PAYLOAD_MAX)
		return kf_fail(err, KF_BAD_IMAGE, "UF2 block %zu: %u bytes, at most %d", index,
			       ret->bytes, PAYLOAD_MAX);
	if (ret->flags & FLAG_FILE)
		return kf_fail(err, KF_BAD_IMAGE, "UF2 block %zu: a file container, not firmware",
			       index);
	return 0;
}

/* Every block has its number and their count: a missing block is an error. */
static int check_sequence(const struct block *block, size_t index, size_t count, uint32_t family,
			  struct kf_error *err)
{
	if (block->number != index || block->count != count)
		return kf_fail(err, KF_BAD_IMAGE,
			       "UF2 block %zu of %zu says that it is number %u of %u", index, count,
			       block->number, block->count);
	if (block->family != family)
		return kf_fail(err, KF_BAD_IMAGE, "UF2 block %zu: family 0x%08x after 0x%08x",
			       index, block->family, family);
	return 0;
}

static int collect(const uint8_t *file, size_t count, struct kf_segments *segments,
		   struct kf_error *err)
{
	struct block block;
	int r;

	for (size_t i = 0; i < count; i++) {
		const uint8_t *p = file + i * BLOCK_BYTES;

		r = read_block(p, i, &block, err);
		if (r < 0)
			return r;
		if (i == 0)
			segments->family = block.family;
		r = check_sequence(&block, i, count, segments->family, err);
		if (r < 0)
			return r;
		if (block.flags & FLAG_NOT_FLASH)
			continue;
		r = kf_segments_add(segments, block.address, p + PAYLOAD_AT, block.bytes, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int kf_uf2_parse(const uint8_t *file, size_t len, struct kf_segments *ret, struct kf_error *err)
{
	if (len % BLOCK_BYTES != 0)
		return kf_fail(err, KF_BAD_IMAGE, "UF2 of %zu bytes: cut in the middle of a block",
			       len);
	return collect(file, len / BLOCK_BYTES, ret, err);
}
