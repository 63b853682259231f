/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Katapult's frames: bytes in, bytes out, no I/O (Katapult protocol.md, "Frame").
 *
 *   01 88 | command | words | payload, 4 * words bytes | crc16 LE | 99 03
 *
 * The CRC (kf_crc16) is over command, words and payload. All integers are little-endian.
 */
#ifndef KF_KATAPULT_FRAME_H
#define KF_KATAPULT_FRAME_H

#include "core/bytes.h"

enum kf_katapult_command {
	KF_KATAPULT_CONNECT = 0x11,
	KF_KATAPULT_SEND_BLOCK = 0x12,
	KF_KATAPULT_EOF = 0x13,
	KF_KATAPULT_REQUEST_BLOCK = 0x14,
	KF_KATAPULT_COMPLETE = 0x15,
	KF_KATAPULT_CAN_ID = 0x16,
	KF_KATAPULT_ACK = 0xa0,
	KF_KATAPULT_NACK = 0xf1,
	KF_KATAPULT_COMMAND_ERROR = 0xf2,
	KF_KATAPULT_BUSY = 0xf3,
};

#define KF_KATAPULT_OVERHEAD	8
#define KF_KATAPULT_PAYLOAD_MAX 1020 /* 255 words */
#define KF_KATAPULT_FRAME_MAX	(KF_KATAPULT_PAYLOAD_MAX + KF_KATAPULT_OVERHEAD)

struct kf_katapult_frame {
	uint8_t command;
	uint16_t payload_bytes; /* a multiple of 4 */
	const uint8_t *payload; /* into the caller's buffer */
};

/*
 * Write a frame; returns its length in bytes, or 0 if payload_bytes is no multiple
 * of 4 or more than the maximum.
 */
size_t kf_katapult_frame_encode(uint8_t command, const void *payload, size_t payload_bytes,
				uint8_t ret[KF_KATAPULT_FRAME_MAX]);

/*
 * Look for a frame at the start of data. Returns its length (ret points into data);
 * 0: more bytes are needed; -EBADMSG: data[0..*ret_skip) cannot be part of a frame,
 * drop it (at least one byte, never more than len) and call again.
 */
_must_check_ int kf_katapult_frame_decode(const uint8_t *data, size_t len,
					  struct kf_katapult_frame *ret, size_t *ret_skip);

/* As Katapult's protocol.md names it: "SEND_BLOCK"; for messages. */
const char *kf_katapult_command_name(uint8_t command);

/* The command that frame acknowledges; 0: it is no acknowledgement. */
uint32_t kf_katapult_acked(const struct kf_katapult_frame *frame);

#endif
