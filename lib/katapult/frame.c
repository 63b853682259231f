/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Katapult's frames. Pure: no state is kept between calls, nothing is read or written. */
#include <errno.h>
#include <string.h>

#include "katapult/frame.h"

#define HEADER_1  0x01
#define HEADER_2  0x88
#define TRAILER_1 0x99
#define TRAILER_2 0x03
#define PREFIX	  4 /* header, command, words */

size_t kf_katapult_frame_encode(uint8_t command, const void *payload, size_t payload_bytes,
				uint8_t ret[KF_KATAPULT_FRAME_MAX])
{
	uint16_t crc;
	uint8_t *end;

	if (payload_bytes > KF_KATAPULT_PAYLOAD_MAX || payload_bytes % 4 != 0)
		return 0;
	end = ret + PREFIX + payload_bytes;
	ret[0] = HEADER_1;
	ret[1] = HEADER_2;
	ret[2] = command;
	ret[3] = (uint8_t)(payload_bytes / 4);
	if (payload_bytes > 0)
		memcpy(ret + PREFIX, payload, payload_bytes);
	crc = kf_crc16(ret + 2, 2 + payload_bytes);
	end[0] = (uint8_t)crc;
	end[1] = (uint8_t)(crc >> 8);
	end[2] = TRAILER_1;
	end[3] = TRAILER_2;
	return payload_bytes + KF_KATAPULT_OVERHEAD;
}

/* The distance to the next possible header, searched from the second byte on. */
static size_t next_header(const uint8_t *data, size_t len)
{
	const uint8_t *next = memchr(data + 1, HEADER_1, len - 1);

	return next ? (size_t)(next - data) : len;
}

int kf_katapult_frame_decode(const uint8_t *data, size_t len, struct kf_katapult_frame *ret,
			     size_t *ret_skip)
{
	size_t payload_bytes;
	const uint8_t *end;

	if (len == 0)
		return 0;
	if (data[0] != HEADER_1 || (len > 1 && data[1] != HEADER_2))
		goto bad;
	if (len < PREFIX)
		return 0;
	payload_bytes = 4 * (size_t)data[3];
	if (len < payload_bytes + KF_KATAPULT_OVERHEAD)
		return 0;
	end = data + PREFIX + payload_bytes;
	if (end[2] != TRAILER_1 || end[3] != TRAILER_2 ||
	    kf_crc16(data + 2, 2 + payload_bytes) != (end[0] | end[1] << 8))
		goto bad;
	ret->command = data[2];
	ret->payload_bytes = (uint16_t)payload_bytes;
	ret->payload = data + PREFIX;
	return (int)(payload_bytes + KF_KATAPULT_OVERHEAD);
bad:
	*ret_skip = next_header(data, len);
	return -EBADMSG;
}

const char *kf_katapult_command_name(uint8_t command)
{
	static const char *const names[UINT8_MAX + 1] = {
		[KF_KATAPULT_CONNECT] = "CONNECT",
		[KF_KATAPULT_SEND_BLOCK] = "SEND_BLOCK",
		[KF_KATAPULT_EOF] = "EOF",
		[KF_KATAPULT_REQUEST_BLOCK] = "REQUEST_BLOCK",
		[KF_KATAPULT_COMPLETE] = "COMPLETE",
		[KF_KATAPULT_CAN_ID] = "CAN_ID",
		[KF_KATAPULT_ACK] = "ACK",
		[KF_KATAPULT_NACK] = "NACK",
		[KF_KATAPULT_COMMAND_ERROR] = "a command error",
		[KF_KATAPULT_BUSY] = "busy",
	};

	return names[command] ? names[command] : "an unknown code";
}

uint32_t kf_katapult_acked(const struct kf_katapult_frame *frame)
{
	bool ack = frame->command == KF_KATAPULT_ACK && frame->payload_bytes >= 4;

	return ack ? kf_get_le32(frame->payload) : 0;
}
