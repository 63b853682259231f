/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads a firmware file of any format: its format, its bytes and its dictionary. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "firmware/image.h"
#include "firmware/katapult-image.h"
#include "firmware/link-start.h"

static int parse_bin(const uint8_t *file, size_t len, struct kf_segments *ret, struct kf_error *err)
{
	if (len == 0 || len > KF_IMAGE_MAX)
		return kf_fail(err, KF_BAD_IMAGE, "%zu bytes cannot be firmware", len);
	return kf_segments_add(ret, 0, file, len, err);
}

/* A file of no other format is raw bytes. suffixes: file names of the format. */
static const struct {
	const char *name;
	const char *suffix;
	bool (*detect)(const uint8_t *file, size_t len);
	int (*parse)(const uint8_t *file, size_t len, struct kf_segments *ret,
		     struct kf_error *err);
} formats[KF_FORMAT_COUNT] = {
	[KF_FORMAT_BIN] = { "bin", ".bin", NULL, parse_bin },
	[KF_FORMAT_UF2] = { "uf2", ".uf2", kf_uf2_detect, kf_uf2_parse },
	[KF_FORMAT_HEX] = { "elf.hex", ".hex", kf_ihex_detect, kf_ihex_parse },
	[KF_FORMAT_ELF] = { "elf", ".elf", kf_elf_detect, kf_elf_parse },
};

const char *kf_format_name(enum kf_format format)
{
	return formats[format].name;
}

static enum kf_format detect(const uint8_t *file, size_t len)
{
	for (enum kf_format f = KF_FORMAT_BIN + 1; f < KF_FORMAT_COUNT; f++)
		if (formats[f].detect(file, len))
			return f;
	return KF_FORMAT_BIN;
}

int kf_image_parse(const uint8_t *file, size_t len, struct kf_image *ret, struct kf_error *err)
{
	_cleanup_(kf_segments_free) struct kf_segments segments = { 0 };
	struct kf_image image = { .format = detect(file, len) };
	int r = formats[image.format].parse(file, len, &segments, err);

	if (r == 0)
		r = kf_segments_sort(&segments, err);
	if (r == 0)
		r = kf_segments_join(&segments, &image.data, &image.len, err);
	if (r < 0)
		return r;
	image.start_known = image.format != KF_FORMAT_BIN;
	image.start = (uint32_t)segments.list[0].address;
	IGNORE_RESULT(kf_segments_hole(&segments, &image.hole, &image.hole_bytes));
	image.family = segments.family;
	*ret = image;
	return 0;
}

/* A damaged UF2 must not be taken for raw bytes. */
static int check_name(const char *path, enum kf_format format, struct kf_error *err)
{
	const char *suffix = strrchr(path, '.');

	for (size_t f = 0; suffix && f < KF_FORMAT_COUNT; f++)
		if (f != format && strcasecmp(suffix, formats[f].suffix) == 0)
			return kf_fail(err, KF_BAD_IMAGE, "its name ends in %s, but it is %s",
				       formats[f].name,
				       format == KF_FORMAT_BIN ? "not" : formats[format].name);
	return 0;
}

static int load(const char *path, const uint8_t *file, size_t len, struct kf_image *image,
		struct kf_error *err)
{
	int r = check_name(path, detect(file, len), err);

	if (r == 0)
		r = kf_image_parse(file, len, image, err);
	if (r < 0)
		return r;
	if (kf_katapult_image(image->data, image->len, image->start_known ? &image->start : NULL,
			      &image->dictionary, &image->start))
		image->start_known = true;
	else
		r = kf_dictionary_find(image->data, image->len, &image->dictionary, err);
	if (r == 0 && !image->start_known)
		image->start_known = kf_link_start(image->data, image->len, image->dictionary.mcu,
						   &image->start);
	return r;
}

int kf_image_load(const char *path, struct kf_image *ret, struct kf_error *err)
{
	struct kf_image image = { 0 };
	_cleanup_(kf_freep) char *file = NULL;
	size_t len;
	int r;

	r = kf_file_read(path, KF_IMAGE_FILE_MAX, &file, &len, err);
	if (r < 0)
		return r;
	r = load(path, (const uint8_t *)file, len, &image, err);
	if (r < 0) {
		kf_image_free(&image);
		kf_error_prefix(err, "%s", path);
		return r;
	}
	kf_sha256(file, len, image.sha256);
	*ret = image;
	return 0;
}

void kf_image_free(struct kf_image *image)
{
	free(image->data);
	*image = (struct kf_image){ 0 };
}

void kf_image_drop(struct kf_image *image)
{
	free(image->data);
	image->data = NULL;
}
