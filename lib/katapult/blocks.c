/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "core/bytes.h"
#include "katapult/blocks.h"
#include "katapult/pages.h"

int kf_katapult_blocks_init(struct kf_katapult_blocks *b, uint32_t start, uint32_t block_bytes,
			    const uint8_t *data, size_t len, struct kf_error *err)
{
	size_t count = len / block_bytes + (len % block_bytes != 0);

	if (count == 0 || count > (UINT32_MAX - start) / block_bytes)
		return kf_fail(err, KF_BAD_IMAGE, "%zu bytes cannot be flashed from 0x%08x on", len,
			       start);
	*b = (struct kf_katapult_blocks){
		.start = start, .block_bytes = block_bytes, .data = data, .len = len, .count = count
	};
	return 0;
}

void kf_katapult_blocks_order(struct kf_katapult_blocks *b, const char *mcu, bool first_page_last)
{
	struct kf_katapult_pages pages = kf_katapult_pages_find(mcu, b->start);
	size_t unit = pages.unit_bytes / b->block_bytes, first = pages.first_bytes / b->block_bytes;

	b->unit = unit > 1 ? unit : 0;
	if (!first_page_last || first == 0 || b->count <= first)
		return;
	unit = unit > 1 ? unit : 1;
	b->first = first;
	b->blocks = (b->count + unit - 1) / unit * unit;
	b->count = unit + b->blocks;
}

/* The requests before the image's first: those that strike out what is there. */
static size_t strikes(const struct kf_katapult_blocks *b)
{
	return b->first == 0 ? 0 : b->unit == 0 ? 1 : b->unit;
}

static size_t block_of(const struct kf_katapult_blocks *b, size_t i)
{
	size_t before = strikes(b), others = b->blocks - b->first;

	if (i < before || b->first == 0)
		return i;
	i -= before;
	return i < others ? b->first + i : i - others;
}

uint32_t kf_katapult_blocks_address(const struct kf_katapult_blocks *b, size_t i)
{
	return b->start + (uint32_t)(block_of(b, i) * b->block_bytes);
}

/*
 * A struck word is 0, not 0xffffffff: the same word is never programmed twice without an erase
 * between, and an application of either is none (Katapult src/generic/armcm_canboot.c,
 * application_check_valid).
 */
void kf_katapult_blocks_fill(const struct kf_katapult_blocks *b, size_t i,
			     uint8_t ret[KF_KATAPULT_BLOCK_MAX])
{
	size_t at = block_of(b, i) * b->block_bytes, left = at < b->len ? b->len - at : 0;

	memset(ret, 0xff, KF_KATAPULT_BLOCK_MAX);
	if (i >= strikes(b))
		memcpy(ret, b->data + at, left < b->block_bytes ? left : b->block_bytes);
	else if (i == 0)
		kf_put_le32(ret, 0);
}

size_t kf_katapult_blocks_done(const struct kf_katapult_blocks *b, size_t i)
{
	size_t before = strikes(b), bytes = i < before ? 0 : (i + 1 - before) * b->block_bytes;

	return bytes < b->len ? bytes : b->len;
}
