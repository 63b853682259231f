/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Images that are not what they are taken for. Each is a good one with one thing wrong. */
#include <stdlib.h>

#include "core/bytes.h"
#include "core/file.h"
#include "core/text.h"
#include "firmware/chip.h"
#include "firmware/image-check.h"
#include "firmware/katapult-image.h"
#include "unit/temp.h"
#include "unit/test.h"

enum { BYTES = 4096 };

/* The checksum of an RP2040's second stage that is all zero, by a program of its own. */
#define ZERO_STAGE 0x7065399au

static struct kf_error err;

/* An image for mcu with its vector table at the offset at, linked for start. */
static struct kf_image image_of(const char *mcu, uint32_t stack, uint32_t start, size_t at)
{
	struct kf_image image = { .data = calloc(1, BYTES), .len = BYTES, .start = start };

	kf_text_format(image.dictionary.mcu, sizeof(image.dictionary.mcu), "%s", mcu);
	kf_text_format(image.dictionary.app, sizeof(image.dictionary.app), "Klipper");
	kf_put_le32(image.data + at, stack);
	kf_put_le32(image.data + at + 4, start + 0x201);
	if (at)
		kf_put_le32(image.data + at - 4, ZERO_STAGE);
	if (strcmp(mcu, "rp2350") == 0)
		kf_put_le32(image.data + 0x180, 0xffffded3);
	return image;
}

static int check(struct kf_image *image, const uint32_t *start)
{
	int r;

	err = (struct kf_error){ 0 };
	r = kf_image_check(image, start, &err);
	kf_image_free(image);
	return r;
}

static bool refused(struct kf_image *image, const uint32_t *start, enum kf_code code,
		    const char *why)
{
	int r = check(image, start);

	if (r == kf_code_errno(code) && err.code == code && strstr(err.message, why))
		return true;
	printf("# %d %s: \"%s\", want \"%s\"\n", r, kf_code_name(err.code), err.message, why);
	return false;
}

TEST(every_family)
{
	/* MCU, stack and start as the builds of Klipper v0.13.0-730 and Kalico v2026.07 have them.
	 */
	static const struct {
		const char *mcu;
		uint32_t stack, start;
		const char *entry;
	} real[] = {
		{ "stm32h723xx", 0x20020000, 0x08020000,
		  "\"Bootloader offset: 128KiB bootloader\"" },
		{ "stm32f446xx", 0x20020000, 0x08008000,
		  "\"Bootloader offset: 32KiB bootloader\"" },
		{ "stm32f103xe", 0x20005000, 0x08007000,
		  "\"Bootloader offset: 28KiB bootloader\"" },
		{ "stm32f407xx", 0x20020000, 0x08020200,
		  "\"Bootloader offset: 128KiB bootloader with 512 byte offset\"" },
		{ "stm32f072xb", 0x20004000, 0x08002000, "\"Bootloader offset: 8KiB bootloader\"" },
		{ "stm32g0b1xx", 0x20024000, 0x08000000, "\"Bootloader offset: No bootloader\"" },
		{ "rp2040", 0x20042000, 0x10004000, "\"Bootloader offset: 16KiB bootloader\"" },
		{ "rp2350", 0x20082000, 0x10000000, "\"Bootloader offset: No bootloader\"" },
		{ "sam3x8e", 0x20018000, 0x00080000, "\"Bootloader offset: No bootloader\"" },
		{ "sam4e8e", 0x20020000, 0x00400000, "\"Bootloader offset: No bootloader\"" },
		{ "samd21g18a", 0x20008000, 0x00002000, "\"Bootloader offset: 8KiB bootloader\"" },
		{ "samd51p20a", 0x20040000, 0x00004000, "\"Bootloader offset: 16KiB bootloader\"" },
		{ "lpc1768", 0x10007fe0, 0x00004000, "\"Bootloader offset: 16KiB bootloader\"" },
		{ "HC32F460", 0x20000000, 0x00008000, "\"Application Address: 0x008000\"" },
	};
	char entry[KF_NAME_SIZE];

	for (size_t i = 0; i < KF_ARRAY_SIZE(real); i++) {
		struct kf_image a = image_of(real[i].mcu, real[i].stack, real[i].start, 0);
		struct kf_image b = image_of(real[i].mcu, real[i].stack, real[i].start, 0);

		kf_chip_entry(kf_chip_find(real[i].mcu), real[i].start, entry);
		CHECK(check(&a, &real[i].start) == 0 && check(&b, NULL) == 0 &&
		      strcmp(entry, real[i].entry) == 0);
	}
}

TEST(odd_layouts)
{
	const uint32_t xip = 0x10000000, physical = 0x400000, zero = 0;
	struct kf_image image = image_of("rp2040", 0x20042000, xip, 0x100);

	CHECK(check(&image, &xip) == 0);
	image = image_of("same70q20b", 0x20420000, 0, 0);
	CHECK(check(&image, &physical) == 0);
	image = image_of("same70q20b", 0x20420000, 0, 0);
	CHECK(check(&image, &zero) == 0);
	image = image_of("atmega2560", 0, 0, 0);
	CHECK(check(&image, &zero) == 0);
	image = image_of("linux", 0, 0, 0);
	CHECK(check(&image, NULL) == 0);
}

/* The ROM would leave the board in BOOTSEL. Behind a Katapult, the ROM does not look. */
TEST(what_the_rom_starts)
{
	const uint32_t xip = 0x10000000, behind = 0x10004000;
	struct kf_image image;

	for (size_t at = 0; at < 0x100; at += 85) {
		image = image_of("rp2040", 0x20042000, xip, 0x100);
		image.data[at] ^= 0x10;
		CHECK(refused(&image, &xip, KF_BAD_IMAGE,
			      "its second stage (the first 256 bytes) is wrong: the ROM of the "
			      "rp2040 would not start it") &&
		      strstr(err.hint, "build it again"));
	}
	image = image_of("rp2040", 0x20042000, behind, 0);
	CHECK(check(&image, &behind) == 0);
	image = image_of("rp2350", 0x20082000, xip, 0);
	image.data[0x180] = 0;
	CHECK(refused(&image, &xip, KF_BAD_IMAGE, "no image definition in its first 4096 bytes"));
	image = image_of("rp2350", 0x20082000, behind, 0);
	image.data[0x180] = 0;
	CHECK(check(&image, &behind) == 0);
}

TEST(file_with_a_hole)
{
	const uint32_t behind = 0x10004000, flash = 0x10000000;
	struct kf_image image = image_of("rp2040", 0x20042000, behind, 0);

	image.format = KF_FORMAT_UF2;
	image.family = 0xe48bff56;
	image.hole = 0x10004300;
	image.hole_bytes = 0x100;
	CHECK(refused(&image, &behind, KF_BAD_IMAGE,
		      "a part of the file is missing: it has no bytes for 0x10004300 to "
		      "0x10004400"));
	image = image_of("atmega2560", 0, 0, 0);
	image.format = KF_FORMAT_HEX;
	image.hole_bytes = 16;
	CHECK(refused(&image, &flash, KF_BAD_IMAGE, "no bytes for 0x00000000 to 0x00000010"));
	/* ELF's segments begin at whole pages; a Katapult clears what is behind it. */
	image = image_of("linux", 0, 0, 0);
	image.format = KF_FORMAT_ELF;
	image.hole_bytes = 16;
	CHECK(check(&image, NULL) == 0);
	image = image_of("rp2040", 0x20042000, flash, 0x100);
	kf_text_format(image.dictionary.app, sizeof(image.dictionary.app), KF_KATAPULT_APP);
	image.hole_bytes = 16;
	CHECK(check(&image, &flash) == 0);
}

TEST(refusals)
{
	const uint32_t start = 0x08020000, other = 0x08000000;
	struct kf_image image = image_of("stm32h723xx", 0x20020000, start, 0);

	kf_text_format(image.dictionary.app, sizeof(image.dictionary.app), "Marlin");
	CHECK(refused(&image, &start, KF_BAD_IMAGE, "firmware of Marlin"));
	for (size_t i = 0; i < 4; i++) {
		const uint32_t stacks[] = { 0x08020000, 0x20020004, 0x20000000, 0x2001ffff };

		image = image_of("stm32h723xx", stacks[i], start, 0);
		CHECK(refused(&image, &start, KF_BAD_IMAGE, "from 0x20000000 to 0x20020000"));
	}
	image = image_of("stm32h723xx", 0x20020000, start - 1, 0);
	CHECK(refused(&image, &start, KF_BAD_IMAGE, "0x08020200 is even"));
	image = image_of("stm32h723xx", 0x20020000, start, 0);
	CHECK(refused(&image, &other, KF_WRONG_OFFSET, "0x08020201 is not in the image") &&
	      !strstr(err.hint, "No bootloader"));
	image = image_of("stm32h723xx", 0x20020000, start + BYTES - 0x200, 0);
	CHECK(refused(&image, &start, KF_WRONG_OFFSET, "0x08021001"));
	image = image_of("stm32h723xx", 0x20020000, 0x20000000, 0);
	CHECK(refused(&image, NULL, KF_BAD_IMAGE, "from 0x08000000 to 0x08100000"));
	image = image_of("stm32h723xx", 0x20020000, start, 0);
	image.len = 7;
	CHECK(refused(&image, &start, KF_BAD_IMAGE, "7 bytes"));
}

TEST(end_of_flash)
{
	const uint32_t last = 0x08100000 - BYTES, over = last + 4, top = 0xfffffffc;
	struct kf_image image = image_of("stm32h723xx", 0x20020000, last, 0);

	CHECK(check(&image, &last) == 0);
	image = image_of("stm32h723xx", 0x20020000, over, 0);
	CHECK(refused(&image, &over, KF_TOO_LARGE, "ends at 0x08100004") &&
	      strstr(err.message, "0x08100000"));
	image = image_of("stm32h723xx", 0x20020000, top, 0);
	kf_put_le32(image.data + 4, 0xfffffffd);
	CHECK(refused(&image, &top, KF_TOO_LARGE, "ends at 0x100000ffc"));
}

TEST(uf2_family)
{
	static const struct {
		const char *mcu;
		uint32_t family;
		enum kf_code code;
	} cases[] = {
		{ "rp2040", 0xe48bff56, KF_OK },
		{ "rp2350", 0xe48bff56, KF_OK },
		{ "rp2350", 0xe48bff59, KF_OK },
		{ "rp2040", 0xe48bff59, KF_MCU_MISMATCH },
		{ "rp2040", 0x57755a57, KF_MCU_MISMATCH },
		{ "rp2040", 0, KF_BAD_IMAGE },
	};
	const uint32_t start = 0x10004000;

	for (size_t i = 0; i < KF_ARRAY_SIZE(cases); i++) {
		struct kf_image image = image_of(cases[i].mcu, 0x20042000, start, 0);

		image.format = KF_FORMAT_UF2;
		image.family = cases[i].family;
		CHECK(check(&image, &start) == kf_code_errno(cases[i].code));
	}
}

static void put(const char *path, const char *text)
{
	if (kf_file_write(path, text, strlen(text), &err) < 0)
		printf("# %s\n", err.message);
}

TEST(dictionary_beside)
{
	static const char ours[] = "{\"version\":\"v1\",\"config\":{\"MCU\":\"rp2040\"}}",
			  theirs[] = "{\"version\":\"v2\",\"config\":{\"MCU\":\"rp2350\"}}";
	struct kf_image image = { 0 };
	char path[PATH_MAX], dict[PATH_MAX];

	kf_text_format(path, sizeof(path), "%s", temp_path("klipper.bin"));
	kf_text_format(dict, sizeof(dict), "%s", temp_path("klipper.dict"));
	CHECK(kf_dictionary_parse(ours, strlen(ours), &image.dictionary, &err) == 0 &&
	      kf_image_check_dictionary(path, &image, &err) == 0);
	put(dict, ours);
	CHECK(kf_image_check_dictionary(path, &image, &err) == 0);
	put(dict, theirs);
	CHECK(kf_image_check_dictionary(path, &image, &err) < 0 && err.code == KF_BAD_IMAGE &&
	      strstr(err.message, "v2 for rp2350") && strstr(err.message, "v1 for rp2040"));
	put(dict, "{\"version\":");
	CHECK(kf_image_check_dictionary(path, &image, &err) < 0 && strstr(err.message, dict));
}

TEST_MAIN(T(every_family), T(odd_layouts), T(what_the_rom_starts), T(file_with_a_hole), T(refusals),
	  T(end_of_flash), T(uf2_family), T(dictionary_beside))
