/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bytes from the bootloader: every byte is taken or dropped, and what is taken encodes to itself.
 */
#include <errno.h>

#include "fuzz/fuzz.h"
#include "katapult/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t again[KF_KATAPULT_FRAME_MAX];
	struct kf_katapult_frame frame;
	size_t skip;
	int n;

	while (len > 0) {
		n = kf_katapult_frame_decode(data, len, &frame, &skip);
		if (n == 0)
			break;
		ALWAYS(n == -EBADMSG || (n > 0 && (size_t)n <= len));
		if (n > 0) {
			ALWAYS(frame.payload_bytes + KF_KATAPULT_OVERHEAD == n);
			ALWAYS(kf_katapult_frame_encode(frame.command, frame.payload,
							frame.payload_bytes, again) == (size_t)n);
			ALWAYS(memcmp(again, data, (size_t)n) == 0);
			skip = (size_t)n;
		}
		ALWAYS(skip > 0 && skip <= len);
		data += skip;
		len -= skip;
	}
	return 0;
}
