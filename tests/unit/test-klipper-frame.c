/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Klipper's message blocks and numbers (Klipper docs/Protocol.md). */
#include <errno.h>

#include "mcu/frame.h"
#include "unit/test.h"

/* "identify offset=0 count=40" as Klipper's host sends it (recorded). */
static const uint8_t identify[] = { 0x08, 0x10, 0x01, 0x00, 0x28, 0x5e, 0x9f, 0x7e };

TEST(blocks_are_encoded_as_klipper_reads_them)
{
	uint8_t block[KF_KLIPPER_BLOCK_MAX], content[KF_KLIPPER_BLOCK_MAX] = { 0 };

	CHECK(kf_klipper_block_encode(0, identify + 2, 3, block) == 8);
	CHECK(memcmp(block, identify, 8) == 0);
	CHECK(kf_klipper_block_encode(0x1f, NULL, 0, block) == 5);
	CHECK(block[1] == 0x1f);
	CHECK(kf_klipper_block_encode(0, content, KF_KLIPPER_CONTENT_MAX, block) == 64);
	CHECK(kf_klipper_block_encode(0, content, KF_KLIPPER_CONTENT_MAX + 1, block) == 0);
}

TEST(decodes_it_again)
{
	struct kf_klipper_block got;
	uint8_t block[KF_KLIPPER_BLOCK_MAX];
	size_t skip;

	CHECK(kf_klipper_block_decode(identify, sizeof(identify), &got, &skip) == 8);
	CHECK(got.sequence == 0);
	CHECK(got.content_bytes == 3);
	CHECK(got.content == identify + 2);
	CHECK(kf_klipper_block_encode(7, NULL, 0, block) == 5);
	CHECK(kf_klipper_block_decode(block, sizeof(block), &got, &skip) == 5);
	CHECK(got.sequence == 7);
	CHECK(got.content_bytes == 0);
}

TEST(every_prefix_wants_more)
{
	struct kf_klipper_block got;
	size_t skip;

	for (size_t len = 0; len < sizeof(identify); len++)
		CHECK(kf_klipper_block_decode(identify, len, &got, &skip) == 0);
}

TEST(every_damaged_byte_is_noticed)
{
	struct kf_klipper_block got;
	size_t skip;

	for (size_t i = 0; i < sizeof(identify); i++) {
		for (int bit = 0; bit < 8; bit++) {
			uint8_t bytes[sizeof(identify)];
			int r;

			memcpy(bytes, identify, sizeof(bytes));
			bytes[i] ^= (uint8_t)(1 << bit);
			r = kf_klipper_block_decode(bytes, sizeof(bytes), &got, &skip);
			CHECK(r == -EBADMSG || (i == 0 && bytes[0] > identify[0] && r == 0));
			CHECK(r == 0 || (skip >= 1 && skip <= sizeof(bytes)));
		}
	}
}

TEST(garbage_is_skipped_up_to_the_end_of_a_block)
{
	static const uint8_t bytes[] = { 0xff, 0x00, 0x7e, 0x7e, 0x08, 0x10 };
	struct kf_klipper_block got;
	size_t skip = 0;

	CHECK(kf_klipper_block_decode(bytes, sizeof(bytes), &got, &skip) == -EBADMSG);
	CHECK(skip == 3);
	CHECK(kf_klipper_block_decode(bytes + 3, sizeof(bytes) - 3, &got, &skip) == -EBADMSG);
	CHECK(skip == 1);
	CHECK(kf_klipper_block_decode(bytes + 4, sizeof(bytes) - 4, &got, &skip) == 0);
	CHECK(kf_klipper_block_decode(bytes, 2, &got, &skip) == -EBADMSG);
	CHECK(skip == 2);
}

TEST(numbers_have_the_lengths_of_the_document)
{
	static const struct {
		int64_t value;
		size_t bytes;
	} cases[] = {
		/* the table of Protocol.md, "Variable Length Quantities", and both sides of it */
		{ -32, 1 },	  { 95, 1 },	    { -33, 2 },	      { 96, 2 },
		{ -4096, 2 },	  { 12287, 2 },	    { -4097, 3 },     { 12288, 3 },
		{ -524288, 3 },	  { 1572863, 3 },   { -524289, 4 },   { 1572864, 4 },
		{ -67108864, 4 }, { 201326591, 4 }, { -67108865, 5 }, { 201326592, 5 },
		{ INT32_MIN, 5 }, { INT32_MAX, 5 }, { 0, 1 },	      { 40, 1 },
	};
	uint8_t bytes[5];
	uint32_t got;

	for (size_t i = 0; i < KF_ARRAY_SIZE(cases); i++) {
		size_t n = kf_klipper_vlq_encode((uint32_t)cases[i].value, bytes);

		CHECK(n == cases[i].bytes);
		CHECK(kf_klipper_vlq_decode(bytes, n, &got) == n);
		CHECK(got == (uint32_t)cases[i].value);
		CHECK(kf_klipper_vlq_decode(bytes, n - 1, &got) == 0);
	}
	CHECK(kf_klipper_vlq_encode(UINT32_MAX, bytes) == 1);
	CHECK(bytes[0] == 0x7f);
}

TEST(a_number_without_an_end_is_refused)
{
	static const uint8_t endless[] = { 0x80, 0x80, 0x80, 0x80, 0x80, 0x00 };
	uint32_t got;

	CHECK(kf_klipper_vlq_decode(endless, sizeof(endless), &got) == 0);
}

TEST_MAIN(T(blocks_are_encoded_as_klipper_reads_them), T(decodes_it_again),
	  T(every_prefix_wants_more), T(every_damaged_byte_is_noticed),
	  T(garbage_is_skipped_up_to_the_end_of_a_block),
	  T(numbers_have_the_lengths_of_the_document), T(a_number_without_an_end_is_refused))
