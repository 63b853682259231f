/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The segments of a file that a fuzzer made. The image of the file must hold just these. */
#ifndef TESTS_FUZZ_SEGMENTS_H
#define TESTS_FUZZ_SEGMENTS_H

#include "firmware/image.h"
#include "fuzz/fuzz.h"

enum { SEGMENTS_MAX = 256 };

struct segments {
	struct segment {
		uint64_t address;
		const uint8_t *data;
		size_t len;
	} list[SEGMENTS_MAX];
	size_t count;
};

/* The file's image, or a refusal that can be shown. */
static inline void segments_compare(const struct segments *segments, const uint8_t *file,
				    size_t len)
{
	struct kf_image image = { 0 };
	struct kf_error err;

	if (kf_image_parse(file, len, &image, &err) < 0) {
		ALWAYS(fuzz_clean(err.message, sizeof(err.message)));
		return;
	}
	ALWAYS(image.start_known && image.len > 0 && image.len <= KF_IMAGE_MAX);
	for (size_t i = 0; i < segments->count; i++) {
		const struct segment *segment = &segments->list[i];

		if (segment->len == 0)
			continue;
		ALWAYS(segment->address >= image.start);
		ALWAYS(segment->address + segment->len <= (uint64_t)image.start + image.len);
		ALWAYS(memcmp(image.data + (segment->address - image.start), segment->data,
			      segment->len) == 0);
	}
	kf_image_free(&image);
}

#endif
