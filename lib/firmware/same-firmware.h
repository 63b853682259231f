/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Are two images one firmware? Klipper's build stamps an image in its dictionary alone: the version
 * ends in date and host where the tree was not clean or the compilers are of several versions, and
 * build_versions names the compilers. All other bytes follow from source, configuration, compiler,
 * and from how many bytes the dictionary is packed into.
 */
#ifndef KF_FIRMWARE_SAME_FIRMWARE_H
#define KF_FIRMWARE_SAME_FIRMWARE_H

#include "core/error.h"

enum kf_same {
	KF_SAME,	/* every byte */
	KF_SAME_SO_FAR, /* all that was read, and the built image goes on */
	KF_SAME_NOT,	/* two configurations, sources or compilers */
	KF_SAME_STAMPS, /* other bytes, and dictionaries that say the same but for the stamps: only
			   a build around the dictionary of the board can be compared */
};

/* The board's dictionary, in what was read of it. */
struct kf_packed {
	const uint8_t *data;
	size_t len;
};

/*
 * Compare the image that make built with what was read from a board, which may be longer. Both may
 * be hostile. why, for KF_SAME_NOT, is a part of a sentence: the first difference. *ret_packed,
 * for KF_SAME_STAMPS, is a part of read.
 */
enum kf_same kf_firmware_same(const uint8_t *built, size_t built_bytes, const uint8_t *read,
			      size_t read_bytes, uint32_t start, char *ret_why, size_t size,
			      struct kf_packed *ret_packed);

#endif
