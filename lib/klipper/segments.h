/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The segments of a firmware file become the bytes that flash will hold. The file is
 * hostile: segments may come in any order, overlap, or lie 4 GiB apart. Used by the
 * formats (uf2.c, ihex.c, elf.c) and by nobody else; see image.h.
 */
#ifndef KF_KLIPPER_SEGMENTS_H
#define KF_KLIPPER_SEGMENTS_H

#include "klipper/image.h"

struct kf_segment {
	uint64_t address;
	const uint8_t *data; /* the caller's, until kf_segments_join */
	size_t len;
};

struct kf_segments {
	struct kf_segment *list;
	size_t count, room;
};

/* -ENOMEM or 0; nothing for len 0. */
_must_check_ int kf_segments_add(struct kf_segments *segments, uint64_t address,
				 const uint8_t *data, size_t len, struct kf_error *err);
void kf_segments_free(struct kf_segments *segments);

/*
 * Fill image's data, len and start; gaps are 0xff. KF_BAD_IMAGE: no segment, segments that
 * overlap, a span over KF_IMAGE_MAX, an address beyond 32 bits. Reorders the list.
 */
_must_check_ int kf_segments_join(struct kf_segments *segments, struct kf_image *image,
				  struct kf_error *err);

/* The formats: each fills image but for format, sha256 and dictionary. */
bool kf_uf2_detect(const uint8_t *file, size_t len);
bool kf_ihex_detect(const uint8_t *file, size_t len);
bool kf_elf_detect(const uint8_t *file, size_t len);
_must_check_ int kf_uf2_parse(const uint8_t *file, size_t len, struct kf_image *image,
			      struct kf_error *err);
_must_check_ int kf_ihex_parse(const uint8_t *file, size_t len, struct kf_image *image,
			       struct kf_error *err);
_must_check_ int kf_elf_parse(const uint8_t *file, size_t len, struct kf_image *image,
			      struct kf_error *err);

#endif
