/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Klipper's message blocks. Pure: no state is kept between calls, nothing is read or written. */
#include <errno.h>
#include <string.h>

#include "mcu/frame.h"

#define HEADER	      2 /* length, sequence */
#define DESTINATION   0x10
#define SEQUENCE_MASK 0x0f
#define VLQ_MAX	      5

size_t kf_klipper_block_encode(uint8_t sequence, const void *content, size_t content_bytes,
			       uint8_t ret[KF_KLIPPER_BLOCK_MAX])
{
	uint16_t crc;
	uint8_t *end;

	if (content_bytes > KF_KLIPPER_CONTENT_MAX)
		return 0;
	end = ret + HEADER + content_bytes;
	ret[0] = (uint8_t)(content_bytes + KF_KLIPPER_BLOCK_MIN);
	ret[1] = DESTINATION | (sequence & SEQUENCE_MASK);
	if (content_bytes > 0)
		memcpy(ret + HEADER, content, content_bytes);
	crc = kf_crc16(ret, HEADER + content_bytes);
	end[0] = (uint8_t)(crc >> 8);
	end[1] = (uint8_t)crc;
	end[2] = KF_KLIPPER_SYNC;
	return content_bytes + KF_KLIPPER_BLOCK_MIN;
}

int kf_klipper_block_decode(const uint8_t *data, size_t len, struct kf_klipper_block *ret,
			    size_t *ret_skip)
{
	const uint8_t *end, *sync;
	size_t content_bytes;

	if (len == 0)
		return 0;
	if (data[0] < KF_KLIPPER_BLOCK_MIN || data[0] > KF_KLIPPER_BLOCK_MAX)
		goto bad;
	if (len > 1 && (data[1] & ~SEQUENCE_MASK) != DESTINATION)
		goto bad;
	if (len < data[0])
		return 0;
	content_bytes = data[0] - KF_KLIPPER_BLOCK_MIN;
	end = data + HEADER + content_bytes;
	if (end[2] != KF_KLIPPER_SYNC ||
	    kf_crc16(data, HEADER + content_bytes) != (end[0] << 8 | end[1]))
		goto bad;
	ret->sequence = data[1] & SEQUENCE_MASK;
	ret->content_bytes = (uint8_t)content_bytes;
	ret->content = data + HEADER;
	return data[0];
bad:
	/* A block starts after the end of another: that is what the sync byte is for. */
	sync = memchr(data, KF_KLIPPER_SYNC, len);
	*ret_skip = sync ? (size_t)(sync - data) + 1 : len;
	return -EBADMSG;
}

size_t kf_klipper_vlq_decode(const uint8_t *data, size_t len, uint32_t *ret)
{
	uint32_t value = 0;

	for (size_t i = 0; i < len && i < VLQ_MAX; i++) {
		/* Seven bits a byte, high ones first; 11xxxxx in the first one is negative. */
		if (i == 0 && (data[0] & 0x60) == 0x60)
			value = UINT32_MAX << 5;
		value = (i == 0 ? value : value << 7) | (data[i] & 0x7f);
		if (!(data[i] & 0x80)) {
			*ret = value;
			return i + 1;
		}
	}
	return 0;
}

size_t kf_klipper_vlq_encode(uint32_t value, uint8_t ret[VLQ_MAX])
{
	int64_t signed_value = (int32_t)value;
	size_t n = 0;

	/* One byte holds -32 to 95, each further one seven bits more. */
	for (int shift = 28; shift > 0; shift -= 7) {
		int64_t unit = (int64_t)1 << (shift - 2);

		if (signed_value >= 3 * unit || signed_value < -unit)
			ret[n++] = (uint8_t)(0x80 | (value >> shift & 0x7f));
	}
	ret[n++] = (uint8_t)(value & 0x7f);
	return n;
}
