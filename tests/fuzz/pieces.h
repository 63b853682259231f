/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a made file says is where: an image that was taken from it holds just that. */
#ifndef TESTS_FUZZ_PIECES_H
#define TESTS_FUZZ_PIECES_H

#include "fuzz/fuzz.h"
#include "klipper/image.h"

enum { PIECES_MAX = 256 };

struct pieces {
	struct piece {
		uint64_t address;
		const uint8_t *data;
		size_t len;
	} list[PIECES_MAX];
	size_t count;
};

/* The file's image, or a refusal that can be shown. */
static inline void pieces_compare(const struct pieces *pieces, const uint8_t *file, size_t len)
{
	struct kf_image image = { 0 };
	struct kf_error err;

	if (kf_image_parse(file, len, &image, &err) < 0) {
		ALWAYS(fuzz_clean(err.message, sizeof(err.message)));
		return;
	}
	ALWAYS(image.start_known && image.len > 0 && image.len <= KF_IMAGE_MAX);
	for (size_t i = 0; i < pieces->count; i++) {
		const struct piece *piece = &pieces->list[i];

		if (piece->len == 0)
			continue;
		ALWAYS(piece->address >= image.start);
		ALWAYS(piece->address + piece->len <= (uint64_t)image.start + image.len);
		ALWAYS(memcmp(image.data + (piece->address - image.start), piece->data,
			      piece->len) == 0);
	}
	kf_image_free(&image);
}

#endif
