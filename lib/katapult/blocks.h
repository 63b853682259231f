/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The blocks of an image, and the order in which requests write or read them. Pure.
 *
 * With first 0 they go in ascending order. Else the image spans several pages, and a power loss has
 * to end in the bootloader: first comes a unit that strikes out the application's first word, then
 * all pages but the first, then the first page.
 */
#ifndef KF_KATAPULT_BLOCKS_H
#define KF_KATAPULT_BLOCKS_H

#include "core/error.h"

#define KF_KATAPULT_BLOCK_MAX 512

struct kf_katapult_blocks {
	uint32_t start, block_bytes;
	const uint8_t *data; /* the caller's; NULL: the requests carry no address */
	size_t len;
	size_t count;  /* requests */
	size_t blocks; /* of the image, up to a whole unit */
	size_t first;  /* blocks in the first page */
	size_t unit;   /* after so many blocks another address may follow; 0: after each */
};

/* In ascending order. KF_BAD_IMAGE: no data, or more than there are addresses from start on. */
_must_check_ int kf_katapult_blocks_init(struct kf_katapult_blocks *b, uint32_t start,
					 uint32_t block_bytes, const uint8_t *data, size_t len,
					 struct kf_error *err);

/* For writing to this MCU; with first_page_last, its first page goes last if there are others. */
void kf_katapult_blocks_order(struct kf_katapult_blocks *b, const char *mcu, bool first_page_last);

/* The address of request i. */
uint32_t kf_katapult_blocks_address(const struct kf_katapult_blocks *b, size_t i);

/* The bytes that request i writes or reads: block_bytes of them, padded with 0xff. */
void kf_katapult_blocks_fill(const struct kf_katapult_blocks *b, size_t i,
			     uint8_t ret[KF_KATAPULT_BLOCK_MAX]);

/* The bytes of the image that are there once request i is answered. */
size_t kf_katapult_blocks_done(const struct kf_katapult_blocks *b, size_t i);

#endif
