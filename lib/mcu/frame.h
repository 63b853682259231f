/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Klipper's message blocks: bytes in, bytes out (Klipper docs/Protocol.md, "Message Blocks").
 *
 *   length (5..64, the whole block) | 0x10 + sequence | content | crc16 BE | 7e
 *
 * A board's block carries the sequence that it expects next. One without content is
 * an acknowledgement, or (if it names another sequence than the next) a refusal.
 */
#ifndef KF_MCU_FRAME_H
#define KF_MCU_FRAME_H

#include "core/bytes.h"

#define KF_KLIPPER_SYNC	       0x7e
#define KF_KLIPPER_BLOCK_MIN   5
#define KF_KLIPPER_BLOCK_MAX   64
#define KF_KLIPPER_CONTENT_MAX (KF_KLIPPER_BLOCK_MAX - KF_KLIPPER_BLOCK_MIN)

struct kf_klipper_block {
	uint8_t sequence; /* 0..15 */
	uint8_t content_bytes;
	const uint8_t *content; /* into the caller's buffer */
};

/* Write a block; returns its length, or 0 if content_bytes is over KF_KLIPPER_CONTENT_MAX. */
size_t kf_klipper_block_encode(uint8_t sequence, const void *content, size_t content_bytes,
			       uint8_t ret[KF_KLIPPER_BLOCK_MAX]);

/* Returns the frame's length, 0 (its rest is missing), or -EBADMSG with *ret_skip. */
_must_check_ int kf_klipper_block_decode(const uint8_t *data, size_t len,
					 struct kf_klipper_block *ret, size_t *ret_skip);

/*
 * Variable length quantities (Protocol.md): bytes used, or 0 if len is too short or the
 * value does not end within five bytes. Small negative numbers are short as well.
 */
size_t kf_klipper_vlq_decode(const uint8_t *data, size_t len, uint32_t *ret);
size_t kf_klipper_vlq_encode(uint32_t value, uint8_t ret[5]);

#endif
