/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A firmware file of Klipper's build, of any kind, as the bytes that flash will hold. */
#ifndef KF_FIRMWARE_IMAGE_H
#define KF_FIRMWARE_IMAGE_H

#include "firmware/dictionary.h"
#include "firmware/segments.h"

enum kf_format {
	KF_FORMAT_BIN, /* raw bytes: the file does not say its address, its code does */
	KF_FORMAT_UF2, /* microsoft/uf2: README, "File format" */
	KF_FORMAT_HEX, /* Intel HEX: AVR's klipper.elf.hex */
	KF_FORMAT_ELF, /* ELF's loadable segments, by physical address; 64 bits: Linux */
	KF_FORMAT_COUNT
};

#define KF_IMAGE_FILE_MAX (48u << 20) /* bytes of a file: HEX and UF2 need more, and debug data */

struct kf_image {
	enum kf_format format;
	uint8_t *data; /* the flash's content from start on, gaps 0xff; owned, NULL once dropped */
	size_t len;
	uint32_t start;	  /* the first byte's address */
	bool start_known; /* false: it is a .bin of which kf_link_start finds none; start is 0 */
	/* The first addresses in it for which the file has no bytes; hole_bytes 0: it has all. */
	uint32_t hole, hole_bytes;
	uint32_t family;	  /* UF2's family id, else 0 */
	char sha256[KF_HEX_SIZE]; /* of the file */
	struct kf_dictionary dictionary;
};

/*
 * Read, take apart, find the dictionary, or see that it is a Katapult (katapult-image.h). The
 * format is told by the file's first bytes; a name that promises another one is refused.
 * KF_BAD_IMAGE says what is wrong and where; KF_IO and the like if it cannot be read.
 */
_must_check_ int kf_image_load(const char *path, struct kf_image *ret, struct kf_error *err);

/*
 * Take the bytes of a file apart, no more: ret's dictionary and sha256 stay empty.
 */
_must_check_ int kf_image_parse(const uint8_t *file, size_t len, struct kf_image *ret,
				struct kf_error *err);

/* Accepts a zeroed image. */
void kf_image_free(struct kf_image *image);

/* Free only the bytes; all other members stay. */
void kf_image_drop(struct kf_image *image);

/* "bin", "uf2", "elf.hex", "elf": also what follows "klipper." in the name of the build's file. */
const char *kf_format_name(enum kf_format format);

#endif
