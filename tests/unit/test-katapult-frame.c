/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Katapult's frames against Katapult's own (protocol.md, and bytes recorded from its code). */
#include <errno.h>

#include "katapult/frame.h"
#include "unit/test.h"

static const uint8_t connect_frame[] = { 0x01, 0x88, 0x11, 0x00, 0xf1, 0x7c, 0x99, 0x03 };
static const uint8_t write_ack[] = { 0x01, 0x88, 0xa0, 0x02, 0x12, 0x00, 0x00, 0x00,
				     0x00, 0x00, 0x02, 0x08, 0xd1, 0xe6, 0x99, 0x03 };

TEST(crc_has_the_check_value_of_its_catalogue)
{
	CHECK(kf_crc16("123456789", 9) == 0x6f91); /* CRC-16/MCRF4XX, reveng catalogue */
	CHECK(kf_crc16("", 0) == 0xffff);
}

TEST(integers_are_little_endian)
{
	uint8_t bytes[4];

	kf_put_le32(bytes, 0x08020040);
	CHECK(memcmp(bytes, "\x40\x00\x02\x08", 4) == 0);
	CHECK(kf_get_le32(bytes) == 0x08020040);
	CHECK(kf_get_le32((const uint8_t *)"\xff\xff\xff\xff") == 0xffffffff);
}

TEST(frames_are_encoded_as_katapult_reads_them)
{
	static const uint8_t want[] = { 0x01, 0x88, 0x14, 0x01, 0x00, 0x00,
					0x02, 0x08, 0xd0, 0xee, 0x99, 0x03 };
	uint8_t frame[KF_KATAPULT_FRAME_MAX], address[4];

	CHECK(kf_katapult_frame_encode(KF_KATAPULT_CONNECT, NULL, 0, frame) == 8);
	CHECK(memcmp(frame, connect_frame, 8) == 0);
	kf_put_le32(address, 0x08020000);
	CHECK(kf_katapult_frame_encode(KF_KATAPULT_REQUEST_BLOCK, address, 4, frame) == 12);
	CHECK(memcmp(frame, want, 12) == 0);
}

TEST(refuses_a_payload_that_no_frame_holds)
{
	uint8_t frame[KF_KATAPULT_FRAME_MAX], payload[KF_KATAPULT_PAYLOAD_MAX + 4] = { 0 };
	struct kf_katapult_frame got;
	size_t skip;

	CHECK(kf_katapult_frame_encode(0x12, payload, 3, frame) == 0);
	CHECK(kf_katapult_frame_encode(0x12, payload, sizeof(payload), frame) == 0);
	CHECK(kf_katapult_frame_encode(0x12, payload, KF_KATAPULT_PAYLOAD_MAX, frame) ==
	      KF_KATAPULT_FRAME_MAX);
	CHECK(kf_katapult_frame_decode(frame, sizeof(frame), &got, &skip) == KF_KATAPULT_FRAME_MAX);
	CHECK(got.payload_bytes == KF_KATAPULT_PAYLOAD_MAX);
}

TEST(frames_of_katapult_are_decoded)
{
	struct kf_katapult_frame got;
	size_t skip;

	CHECK(kf_katapult_frame_decode(write_ack, sizeof(write_ack), &got, &skip) == 16);
	CHECK(got.command == KF_KATAPULT_ACK);
	CHECK(got.payload_bytes == 8);
	CHECK(got.payload == write_ack + 4);
	CHECK(kf_get_le32(got.payload + 4) == 0x08020000);
}

TEST(every_prefix_wants_more)
{
	struct kf_katapult_frame got;
	size_t skip;

	for (size_t len = 0; len < sizeof(write_ack); len++)
		CHECK(kf_katapult_frame_decode(write_ack, len, &got, &skip) == 0);
}

TEST(every_damaged_byte_is_noticed)
{
	struct kf_katapult_frame got;
	size_t skip;

	for (size_t i = 0; i < sizeof(write_ack); i++) {
		for (int bit = 0; bit < 8; bit++) {
			uint8_t bytes[sizeof(write_ack)];
			int r;

			memcpy(bytes, write_ack, sizeof(bytes));
			bytes[i] ^= (uint8_t)(1 << bit);
			r = kf_katapult_frame_decode(bytes, sizeof(bytes), &got, &skip);
			/* A greater length waits for bytes that may still come. */
			CHECK(r == -EBADMSG || (i == 3 && bytes[3] > write_ack[3] && r == 0));
			CHECK(r == 0 || (skip >= 1 && skip <= sizeof(bytes)));
		}
	}
}

TEST(garbage_is_skipped_up_to_the_next_header)
{
	uint8_t bytes[] = { 0x7e, 0x42, 0x01, 0x01, 0x88, 0x11, 0x00, 0xf1, 0x7c, 0x99, 0x03 };
	struct kf_katapult_frame got;
	size_t skip = 0;

	CHECK(kf_katapult_frame_decode(bytes, sizeof(bytes), &got, &skip) == -EBADMSG);
	CHECK(skip == 2);
	CHECK(kf_katapult_frame_decode(bytes + 2, sizeof(bytes) - 2, &got, &skip) == -EBADMSG);
	CHECK(skip == 1);
	CHECK(kf_katapult_frame_decode(bytes + 3, sizeof(bytes) - 3, &got, &skip) == 8);
	CHECK(kf_katapult_frame_decode(bytes, 2, &got, &skip) == -EBADMSG);
	CHECK(skip == 2);
}

TEST_MAIN(T(crc_has_the_check_value_of_its_catalogue), T(integers_are_little_endian),
	  T(frames_are_encoded_as_katapult_reads_them), T(refuses_a_payload_that_no_frame_holds),
	  T(frames_of_katapult_are_decoded), T(every_prefix_wants_more),
	  T(every_damaged_byte_is_noticed), T(garbage_is_skipped_up_to_the_next_header))
