/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each refusal has both values: that of the image, and that of its MCU or address. */
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/file.h"
#include "core/paths.h"
#include "firmware/chip.h"
#include "firmware/image-check.h"
#include "firmware/katapult-image.h"
#include "firmware/rp2-boot.h"

static int check_app(const struct kf_image *image, struct kf_error *err)
{
	/* The third is what Kalico was called before its commit 85d883e56. */
	static const char *const apps[] = { "Klipper", "Kalico", "Danger-Klipper",
					    KF_KATAPULT_APP };

	for (size_t i = 0; i < KF_ARRAY_SIZE(apps); i++)
		if (strcmp(image->dictionary.app, apps[i]) == 0)
			return 0;
	return kf_fail(err, KF_BAD_IMAGE, "it is firmware of %s, not of Klipper or Kalico",
		       image->dictionary.app);
}

/*
 * The builds of Klipper and Kalico leave no hole in a .uf2 or .elf.hex: a part of the file was
 * lost. That of Katapult does, which also clears where the application begins
 * (katapult.withclear.uf2).
 */
static int check_hole(const struct kf_image *image, struct kf_error *err)
{
	if (!image->hole_bytes || image->format == KF_FORMAT_ELF ||
	    strcmp(image->dictionary.app, KF_KATAPULT_APP) == 0)
		return 0;
	kf_fail(err, KF_BAD_IMAGE,
		"a part of the file is missing: it has no bytes for 0x%08x to 0x%08x", image->hole,
		image->hole + image->hole_bytes);
	return kf_error_hint(err, "build it again, or copy it once more");
}

static int check_family(const struct kf_image *image, const struct kf_chip *chip,
			struct kf_error *err)
{
	if (image->format != KF_FORMAT_UF2)
		return 0;
	for (size_t i = 0; i < KF_ARRAY_SIZE(chip->families) && chip->families[i]; i++)
		if (chip->families[i] == image->family)
			return 0;
	if (!image->family)
		return kf_fail(err, KF_BAD_IMAGE, "the UF2 has no family");
	return kf_fail(err, KF_MCU_MISMATCH,
		       "the UF2 is for family 0x%08x, but its firmware is for %s (family 0x%08x)",
		       image->family, image->dictionary.mcu, chip->families[0]);
}

/* Add the hint: the build makes no such image, so the file was damaged after it. */
static int damaged(struct kf_error *err)
{
	return kf_error_hint(
		err, "the file is damaged, or it has extra bytes at its start: build it again");
}

static int check_stack(uint32_t stack, const struct kf_image *image, const struct kf_chip *chip,
		       struct kf_error *err)
{
	/* The stack grows downwards, from the end of the RAM on. */
	if (stack % 4 == 0 && stack > chip->ram && stack - chip->ram <= chip->ram_bytes)
		return 0;
	kf_fail(err, KF_BAD_IMAGE,
		"its stack starts at 0x%08x, the RAM of %s is from 0x%08x to 0x%08x", stack,
		image->dictionary.mcu, chip->ram, chip->ram + chip->ram_bytes);
	return damaged(err);
}

static bool within(uint32_t address, uint32_t from, size_t len)
{
	return address >= from && address - from < len;
}

/*
 * start is the configuration's. A start without room for a bootloader is not proposed, because that
 * may be the mistake itself; the hint of the table of errors stays.
 */
static int propose_entry(const struct kf_chip *chip, uint32_t start, struct kf_error *err)
{
	char choose[KF_NAME_SIZE];

	if (start <= chip->flash + chip->vectors)
		return kf_code_errno(KF_WRONG_OFFSET);
	kf_chip_entry(chip, start, choose);
	return kf_error_hint(err, "choose %s in menuconfig", choose);
}

static int check_reset(uint32_t reset, const struct kf_image *image, const struct kf_chip *chip,
		       const uint32_t *start, struct kf_error *err)
{
	uint32_t from = start ? *start : chip->flash, entry = reset & ~1u;
	size_t len = start ? image->len : chip->flash_bytes;

	if (!(reset & 1)) {
		kf_fail(err, KF_BAD_IMAGE,
			"its reset vector 0x%08x is even; in Thumb code it is odd", reset);
		return damaged(err);
	}
	if (within(entry, from, len) ||
	    (chip->mirrored && from >= chip->flash && within(entry, from - chip->flash, len)))
		return 0;
	if (!start) {
		kf_fail(err, KF_BAD_IMAGE,
			"its reset vector is 0x%08x, the flash of %s is from 0x%08x to 0x%08x",
			reset, image->dictionary.mcu, from, from + chip->flash_bytes);
		return damaged(err);
	}
	kf_fail(err, KF_WRONG_OFFSET,
		"its reset vector 0x%08x is not in the image, which goes from 0x%08x to 0x%08x: it "
		"was linked for another address",
		reset, from, from + (uint32_t)len);
	return propose_entry(chip, from, err);
}

static int check_end(const struct kf_image *image, const struct kf_chip *chip, uint32_t start,
		     struct kf_error *err)
{
	uint64_t end = (uint64_t)start + image->len;
	uint64_t limit = (uint64_t)chip->flash + chip->flash_bytes;

	/* Code that is linked for the mirror ends within the mirror. */
	if (chip->mirrored && start < chip->flash)
		limit = chip->flash_bytes;
	if (end <= limit)
		return 0;
	return kf_fail(err, KF_TOO_LARGE,
		       "it ends at 0x%08" PRIx64
		       ", but the flash of the largest %s ends at 0x%08" PRIx64,
		       end, image->dictionary.mcu, limit);
}

/* The ROM of these chips checks what it starts; if it is not good, the board stays in BOOTSEL. */
static int check_boot(const struct kf_image *image, const struct kf_chip *chip, uint32_t start,
		      struct kf_error *err)
{
	size_t at;

	if (start != chip->flash)
		return 0;
	if (chip->vectors && !kf_rp2_stage_good(image->data))
		kf_fail(err, KF_BAD_IMAGE,
			"the checksum of its second stage (the first %d bytes) is wrong: the ROM "
			"of the %s would not start it",
			KF_RP2_STAGE_BYTES, image->dictionary.mcu);
	else if (chip->definition && !kf_rp2_definition_find(image->data, image->len, &at))
		kf_fail(err, KF_BAD_IMAGE,
			"it has no image definition in its first %d bytes: the ROM of the %s "
			"would not start it",
			KF_RP2_DEFINITION_WITHIN, image->dictionary.mcu);
	else
		return 0;
	return damaged(err);
}

int kf_image_check(const struct kf_image *image, const uint32_t *start, struct kf_error *err)
{
	const struct kf_chip *chip = kf_chip_find(image->dictionary.mcu);
	size_t at = 0;
	int r;

	r = check_app(image, err);
	if (r == 0)
		r = check_hole(image, err);
	if (r < 0 || !chip)
		return r;
	if (start && *start == chip->flash)
		at = chip->vectors;
	r = check_family(image, chip, err);
	if (r < 0)
		return r;
	if (image->len < at + 8)
		return kf_fail(err, KF_BAD_IMAGE, "%zu bytes are too few for a vector table",
			       image->len);
	r = check_stack(kf_get_le32(image->data + at), image, chip, err);
	if (r == 0)
		r = check_reset(kf_get_le32(image->data + at + 4), image, chip, start, err);
	if (r == 0 && start)
		r = check_boot(image, chip, *start, err);
	return r < 0 || !start ? r : check_end(image, chip, *start, err);
}

int kf_image_check_dictionary(const char *path, const struct kf_image *image, struct kf_error *err)
{
	static const char again[] =
		"build it from nothing (kf build --clean), or move the image out of that folder";
	const struct kf_dictionary *in = &image->dictionary;
	struct kf_dictionary beside;
	_cleanup_(kf_freep) char *json = NULL;
	char dict[PATH_MAX];
	size_t len;
	int r;

	r = kf_path_format(dict, err, "%.*sklipper.dict", (int)(basename(path) - path), path);
	if (r < 0)
		return r;
	if (access(dict, F_OK) < 0)
		return 0;
	r = kf_file_read(dict, KF_DICTIONARY_MAX, &json, &len, err);
	if (r == 0)
		r = kf_dictionary_parse(json, len, &beside, err);
	if (r < 0) {
		kf_error_prefix(err, "%s", dict);
		kf_error_hint(err, "%s", again);
		return r;
	}
	if (strcmp(beside.sha256, in->sha256) == 0)
		return 0;
	kf_fail(err, KF_BAD_IMAGE,
		"%s is of another build: it has %s %s for %s, the image has %s %s for %s", dict,
		beside.app, beside.version, beside.mcu, in->app, in->version, in->mcu);
	return kf_error_hint(err, "%s", again);
}
