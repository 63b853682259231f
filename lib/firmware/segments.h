/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The segments of a firmware file, and the formats that have them. The file is hostile: segments
 * may come in any order, overlap, or lie 4 GiB apart. Used by image.c.
 */
#ifndef KF_FIRMWARE_SEGMENTS_H
#define KF_FIRMWARE_SEGMENTS_H

#include "core/error.h"

#define KF_IMAGE_MAX (16u << 20) /* bytes of flash that an image may span */

struct kf_segment {
	uint64_t address;
	const uint8_t *data; /* in the file, or in kf_segments.decoded */
	size_t len;
};

/* All zero is an empty one. */
struct kf_segments {
	struct kf_segment *list;
	size_t count, room;
	uint8_t *decoded; /* bytes that the file does not have as such (HEX); owned */
	uint32_t family;  /* UF2's family id, else 0 */
};

/* -ENOMEM or 0; nothing for len 0. */
_must_check_ int kf_segments_add(struct kf_segments *segments, uint64_t address,
				 const uint8_t *data, size_t len, struct kf_error *err);
void kf_segments_free(struct kf_segments *segments);

/*
 * Put them in order. KF_BAD_IMAGE: there is none, two overlap, all together span more than
 * KF_IMAGE_MAX, or an address is beyond 32 bits.
 */
_must_check_ int kf_segments_sort(struct kf_segments *segments, struct kf_error *err);

/*
 * The bytes from the first segment (sorted) to the end of the last; gaps are 0xff. The caller
 * frees *ret. -ENOMEM.
 */
_must_check_ int kf_segments_join(const struct kf_segments *segments, uint8_t **ret,
				  size_t *ret_len, struct kf_error *err);

/* The first addresses between the first segment (sorted) and the last that none has. False: none.
 */
bool kf_segments_hole(const struct kf_segments *segments, uint32_t *ret_from, uint32_t *ret_bytes);

/* Each format: is this a file of it, and its segments. The caller frees ret, also on failure. */
bool kf_uf2_detect(const uint8_t *file, size_t len);
bool kf_ihex_detect(const uint8_t *file, size_t len);
bool kf_elf_detect(const uint8_t *file, size_t len);
_must_check_ int kf_uf2_parse(const uint8_t *file, size_t len, struct kf_segments *ret,
			      struct kf_error *err);
_must_check_ int kf_ihex_parse(const uint8_t *file, size_t len, struct kf_segments *ret,
			       struct kf_error *err);
_must_check_ int kf_elf_parse(const uint8_t *file, size_t len, struct kf_segments *ret,
			      struct kf_error *err);

#endif
