/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The order in which an image is erased and written over PICOBOOT. Pure.
 *
 * If the write is cut at any point, the board must wait in its bootloader at the next power-up. The
 * ROM starts a flash whose second stage (RP2040: the first page) or image definition (RP2350) is
 * whole, and Katapult one whose first word is there. So the first sector is erased first, and the
 * page with that is written last.
 */
#ifndef KF_PICOBOOT_PAGES_H
#define KF_PICOBOOT_PAGES_H

#include "core/error.h"

#define KF_PICOBOOT_PAGE   256u	  /* WRITE takes multiples */
#define KF_PICOBOOT_SECTOR 4096u  /* ERASE takes multiples */
#define KF_PICOBOOT_BLOCK  65536u /* the most that the flash chip erases with one command */

struct kf_picoboot_pages {
	uint32_t from, end; /* from is the start of a sector, end of a page */
	uint32_t last;	    /* the page that is written last */
};

struct kf_picoboot_step {
	uint32_t address, bytes;
};

/*
 * For an image of len bytes at start. KF_BAD_IMAGE: it begins inside a sector, whose other bytes
 * would be lost.
 */
_must_check_ int kf_picoboot_pages_find(const uint8_t *image, size_t len, uint32_t start,
					struct kf_picoboot_pages *ret, struct kf_error *err);

/*
 * The i-th range to erase, or to write; the erased ones end at block boundaries, for the chip is
 * faster with whole blocks. False: there is none any more.
 */
bool kf_picoboot_erase_step(const struct kf_picoboot_pages *pages, size_t i,
			    struct kf_picoboot_step *ret);
bool kf_picoboot_write_step(const struct kf_picoboot_pages *pages, size_t i,
			    struct kf_picoboot_step *ret);

#endif
