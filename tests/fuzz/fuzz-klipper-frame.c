/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bytes from the firmware: as fuzz-katapult-frame.c, and the numbers inside of each block. */
#include <errno.h>

#include "fuzz/fuzz.h"
#include "mcu/frame.h"

static void numbers(const uint8_t *data, size_t len)
{
	uint8_t again[5];
	uint32_t value, back;
	size_t n;

	while ((n = kf_klipper_vlq_decode(data, len, &value)) > 0) {
		ALWAYS(n <= len && n <= sizeof(again));
		ALWAYS(kf_klipper_vlq_decode(again, kf_klipper_vlq_encode(value, again), &back) >
		       0);
		ALWAYS(back == value);
		data += n;
		len -= n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kf_klipper_block block;
	size_t skip;
	int n;

	while (len > 0) {
		n = kf_klipper_block_decode(data, len, &block, &skip);
		if (n == 0)
			break;
		ALWAYS(n == -EBADMSG || (n > 0 && (size_t)n <= len));
		if (n > 0) {
			ALWAYS(block.content_bytes + KF_KLIPPER_BLOCK_MIN == n);
			numbers(block.content, block.content_bytes);
			skip = (size_t)n;
		}
		ALWAYS(skip > 0 && skip <= len);
		data += skip;
		len -= skip;
	}
	return 0;
}
