/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "picoboot/pages.h"
#include "firmware/rp2-boot.h"

static uint32_t round_up(uint32_t value, uint32_t unit)
{
	return (value + unit - 1) / unit * unit;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t last_page(const uint8_t *image, size_t len, uint32_t start)
{
	size_t at = 0;

	IGNORE_RESULT(kf_rp2_definition_find(image, len, &at));
	return start + (uint32_t)at / KF_PICOBOOT_PAGE * KF_PICOBOOT_PAGE;
}

int kf_picoboot_pages_find(const uint8_t *image, size_t len, uint32_t start,
			   struct kf_picoboot_pages *ret, struct kf_error *err)
{
	if (start % KF_PICOBOOT_SECTOR != 0)
		return kf_fail(err, KF_BAD_IMAGE,
			       "it starts at 0x%08x, inside a sector of %u bytes of the flash",
			       start, KF_PICOBOOT_SECTOR);
	*ret = (struct kf_picoboot_pages){
		.from = start,
		.end = start + round_up((uint32_t)len, KF_PICOBOOT_PAGE),
		.last = last_page(image, len, start),
	};
	return 0;
}

bool kf_picoboot_erase_step(const struct kf_picoboot_pages *pages, size_t i,
			    struct kf_picoboot_step *ret)
{
	uint32_t end = round_up(pages->end, KF_PICOBOOT_SECTOR);
	uint64_t from = pages->from / KF_PICOBOOT_BLOCK * (uint64_t)KF_PICOBOOT_BLOCK +
			(uint64_t)i * KF_PICOBOOT_BLOCK;

	if (from >= end)
		return false;
	ret->address = from < pages->from ? pages->from : (uint32_t)from;
	ret->bytes = least((uint32_t)from + KF_PICOBOOT_BLOCK, end) - ret->address;
	return true;
}

/* All sectors but the first; of that what is before the last page, what is after it, and it. */
bool kf_picoboot_write_step(const struct kf_picoboot_pages *pages, size_t i,
			    struct kf_picoboot_step *ret)
{
	uint32_t first_end = least(pages->from + KF_PICOBOOT_SECTOR, pages->end);
	uint32_t after = pages->last + KF_PICOBOOT_PAGE;
	size_t others = (pages->end - first_end + KF_PICOBOOT_SECTOR - 1) / KF_PICOBOOT_SECTOR;
	const struct kf_picoboot_step first[] = {
		{ pages->from, pages->last - pages->from },
		{ after, first_end - after },
		{ pages->last, KF_PICOBOOT_PAGE },
	};

	if (i < others) {
		ret->address = first_end + (uint32_t)i * KF_PICOBOOT_SECTOR;
		ret->bytes = least(KF_PICOBOOT_SECTOR, pages->end - ret->address);
		return true;
	}
	for (size_t part = 0; part < KF_ARRAY_SIZE(first); part++) {
		if (first[part].bytes == 0 || others++ != i)
			continue;
		*ret = first[part];
		return true;
	}
	return false;
}
