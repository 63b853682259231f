/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Firmware files, sound and hostile. What a file is made of is written out by the test itself. */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>

#include "firmware/image.h"
#include "firmware/katapult-image.h"
#include "unit/test.h"

enum { FILE_SIZE = 4096 };

struct file {
	uint8_t data[FILE_SIZE];
	size_t len;
};

static struct kf_image image;
static struct kf_error err;

static int parse(const struct file *f)
{
	/* Exactly as large as the file, so that the sanitizer sees a read beyond it. */
	uint8_t *copy = malloc(f->len ? f->len : 1);
	int r;

	memcpy(copy, f->data, f->len);
	kf_image_free(&image);
	err = (struct kf_error){ 0 };
	r = kf_image_parse(copy, f->len, &image, &err);
	free(copy);
	return r;
}

static bool refused(const struct file *f, const char *why)
{
	int r = parse(f);

	if (r == -EBADMSG && err.code == KF_BAD_IMAGE && strstr(err.message, why))
		return true;
	printf("# status %d, \"%s\", want \"%s\"\n", r, err.message, why);
	return false;
}

static void put(struct file *f, size_t at, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		f->data[at + i] = (uint8_t)(value >> 8 * i);
	if (f->len < at + bytes)
		f->len = at + bytes;
}

/* A block of 4 bytes' payload. */
static void add_uf2(struct file *f, uint32_t address, uint32_t payload, uint32_t number,
		    uint32_t count)
{
	const uint32_t head[] = { 0x0a324655, 0x9e5d5157, 0x2000, address,
				  4,	      number,	  count,  0xe48bff56 };
	size_t at = f->len;

	for (size_t i = 0; i < 8; i++)
		put(f, at + 4 * i, head[i], 4);
	put(f, at + 32, payload, 4);
	put(f, at + 508, 0x0ab16f30, 4);
}

static struct file two_blocks(void)
{
	struct file f = { 0 };

	add_uf2(&f, 0x10000100, 0x04030201, 0, 2);
	add_uf2(&f, 0x10000108, 0x08070605, 1, 2);
	return f;
}

static struct file text(const char *s)
{
	struct file f = { .len = strlen(s) };

	memcpy(f.data, s, f.len);
	return f;
}

/* Segments of 4 bytes at the given physical addresses. */
static struct file elf(bool wide, const uint64_t *addresses, size_t count)
{
	size_t head = wide ? 64 : 52, entry = wide ? 56 : 32, w = wide ? 8 : 4, p;
	struct file f = { 0 };

	memcpy(f.data, ELFMAG, SELFMAG);
	f.data[EI_CLASS] = wide ? ELFCLASS64 : ELFCLASS32;
	f.data[EI_DATA] = ELFDATA2LSB;
	put(&f, wide ? 32 : 28, head, w);
	put(&f, wide ? 54 : 42, entry, 2);
	put(&f, wide ? 56 : 44, count, 2);
	for (size_t i = 0; i < count; i++) {
		p = head + i * entry;
		put(&f, p, PT_LOAD, 4);
		put(&f, p + (wide ? 8 : 4), head + count * entry + 4 * i, w);
		put(&f, p + (wide ? 24 : 12), addresses[i], w);
		put(&f, p + (wide ? 32 : 16), 4, w);
	}
	for (size_t i = 0; i < count; i++)
		put(&f, head + count * entry + 4 * i, 0x01010101 * (i + 1), 4);
	return f;
}

TEST(bin_is_what_no_format_claims)
{
	struct file f = text("\x01\x02\x03");

	CHECK(parse(&f) == 0);
	CHECK(image.format == KF_FORMAT_BIN && !image.start_known);
	CHECK(image.len == 3 && memcmp(image.data, "\x01\x02\x03", 3) == 0);
	f.len = 0;
	CHECK(refused(&f, "0 bytes"));
}

TEST(uf2_fills_gaps)
{
	struct file f = two_blocks();

	CHECK(parse(&f) == 0);
	CHECK(image.format == KF_FORMAT_UF2 && image.family == 0xe48bff56);
	CHECK(image.start_known && image.start == 0x10000100);
	CHECK(image.len == 12);
	CHECK(memcmp(image.data, "\1\2\3\4\xff\xff\xff\xff\5\6\7\10", 12) == 0);
	CHECK(image.hole == 0x10000104 && image.hole_bytes == 4);
}

TEST(uf2_hostile)
{
	struct file f = two_blocks();

	f.len -= 1;
	CHECK(refused(&f, "cut in the middle"));
	f.len = 512;
	CHECK(refused(&f, "block 0 of 1 says that it is number 0 of 2"));
	f = two_blocks();
	put(&f, 508, 0, 4);
	CHECK(refused(&f, "block 0: wrong magic"));
	f = two_blocks();
	put(&f, 512, 0, 4);
	CHECK(refused(&f, "block 1: wrong magic"));
	f = two_blocks();
	put(&f, 16, 0xffffffff, 4);
	CHECK(refused(&f, "4294967295 bytes"));
	f = two_blocks();
	put(&f, 16, 477, 4);
	CHECK(refused(&f, "at most 476"));
	f = two_blocks();
	put(&f, 512 + 20, 0, 4);
	CHECK(refused(&f, "block 1 of 2 says that it is number 0"));
	f = two_blocks();
	put(&f, 512 + 12, 0x10000102, 4);
	CHECK(refused(&f, "0x10000102 occurs twice"));
	f = two_blocks();
	put(&f, 512 + 12, 0xf0000000, 4);
	CHECK(refused(&f, "over 16 MiB"));
	f = two_blocks();
	put(&f, 12, 0xfffffffe, 4);
	CHECK(refused(&f, "beyond 32 bits"));
	f = two_blocks();
	put(&f, 512 + 28, 0xe48bff57, 4);
	CHECK(refused(&f, "family 0xe48bff57"));
	f = two_blocks();
	put(&f, 8, 0x1000, 4);
	CHECK(refused(&f, "file container"));
	f = two_blocks();
	put(&f, 8, 0x2001, 4);
	put(&f, 512 + 8, 0x2001, 4);
	CHECK(refused(&f, "it has no bytes for the flash"));
}

TEST(hex_with_bases)
{
	struct file f = text(":020000040001F9\r\n:0400000001020304F2\r\n\n:02000800AABB91\n"
			     ":020000021000EC\n:01FF000055AB\n:00000001FF\n");

	CHECK(parse(&f) == 0);
	CHECK(image.format == KF_FORMAT_HEX && image.start == 0x10000);
	CHECK(image.len == 0xff01);
	CHECK(memcmp(image.data, "\1\2\3\4\xff\xff\xff\xff\xaa\xbb\xff", 11) == 0);
	CHECK(image.data[0xff00] == 0x55);
}

TEST(hex_without_a_line)
{
	struct file f =
		text(":020000040001F9\n:0400000001020304F2\n:0400200005060708C2\n:00000001FF\n");

	CHECK(refused(&f, "HEX without 0x00010004 to 0x00010020: its lines are missing"));
}

TEST(hex_hostile)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ ":0400000001020304F3\n:00000001FF\n", "line 1: wrong checksum" },
		{ ":0400000001020304F2\n", "without an end record" },
		{ ":0400000001020304F2\n:00000001FF\n:0400000001020304F2\n", "after the end" },
		{ ":0500000001020304F1\n:00000001FF\n", "it has 4 bytes, but its length says 5" },
		{ ":0400000001020304F2\n0400040001020304EE\n", "line 2: no ':'" },
		{ ":0400000001020304F2\n:0400040001\n",
		  "line 2: it has 0 bytes, but its length says 4" },
		{ ":0400000001020304F2\n:04000400010\n", "cannot have 11 digits" },
		{ ":0400000001020304F2\n:0400020001020304F0\n:00000001FF\n",
		  "0x00000002 occurs twice" },
		{ ":0400000001020304F2\n:02000004FFFFFC\n:01FFFF0055AC\n:00000001FF\n",
		  "over 16 MiB" },
		{ ":04FFFE0001020304F5\n:00000001FF\n", "goes beyond 64 KiB" },
		{ ":03000004080000F1\n:00000001FF\n", "an address cannot have 3 bytes" },
		{ ":04000007010203 4EB\n:00000001FF\n", "not a hexadecimal digit" },
		{ ":0400000701020304EB\n:00000001FF\n", "record type 7" },
		{ ":00000001FF\n", "no bytes for the flash" },
	};
	struct file f;

	for (size_t i = 0; i < KF_ARRAY_SIZE(cases); i++) {
		f = text(cases[i].text);
		CHECK(refused(&f, cases[i].why));
	}
}

TEST(elf_of_both_classes)
{
	const uint64_t addresses[] = { 0x08020008, 0x08020000 };
	struct file f;

	for (int wide = 0; wide < 2; wide++) {
		f = elf(wide, addresses, 2);
		CHECK(parse(&f) == 0);
		CHECK(image.format == KF_FORMAT_ELF && image.start == 0x08020000);
		CHECK(image.len == 12);
		CHECK(memcmp(image.data, "\2\2\2\2\xff\xff\xff\xff\1\1\1\1", 12) == 0);
	}
}

TEST(elf_hostile)
{
	const uint64_t one[] = { 0x08020000 }, twice[] = { 0x100, 0x102 },
		       far[] = { 0x0, 0x20000000 }, beyond[] = { 0x100000000 },
		       wrapping[] = { UINT64_MAX - 1 };
	struct file f = elf(false, one, 1);

	f.len = 20;
	CHECK(refused(&f, "cut off"));
	f.len = 5;
	CHECK(refused(&f, "not a little-endian ELF"));
	f = elf(false, one, 1);
	f.data[EI_CLASS] = 7;
	CHECK(refused(&f, "not a little-endian ELF"));
	f = elf(false, one, 1);
	f.data[EI_DATA] = ELFDATA2MSB;
	CHECK(refused(&f, "not a little-endian ELF"));
	f = elf(false, one, 1);
	f.len -= 1;
	CHECK(refused(&f, "segment 0 lies outside"));
	f = elf(false, one, 1);
	put(&f, 52 + 4, 0xffffffff, 4);
	CHECK(refused(&f, "segment 0 lies outside"));
	f = elf(true, one, 1);
	put(&f, 64 + 32, UINT64_MAX, 8);
	CHECK(refused(&f, "segment 0 lies outside"));
	f = elf(true, one, 1);
	put(&f, 32, UINT64_MAX - 8, 8);
	CHECK(refused(&f, "headers lie outside"));
	f = elf(false, one, 1);
	put(&f, 44, 0xffff, 2);
	CHECK(refused(&f, "headers lie outside"));
	f = elf(false, one, 1);
	put(&f, 42, 8, 2);
	CHECK(refused(&f, "program headers of 8 bytes"));
	f = elf(false, twice, 2);
	CHECK(refused(&f, "twice"));
	f = elf(false, far, 2);
	CHECK(refused(&f, "over 16 MiB"));
	f = elf(true, beyond, 1);
	CHECK(refused(&f, "beyond 32 bits"));
	f = elf(true, wrapping, 1);
	CHECK(refused(&f, "beyond 32 bits"));
	f = elf(false, NULL, 0);
	f.len = 52;
	CHECK(refused(&f, "no bytes for the flash"));
}

TEST(every_cut_is_survived)
{
	const uint64_t addresses[] = { 0x08020000, 0x08020010 };
	struct file whole[] = { two_blocks(), elf(false, addresses, 2), elf(true, addresses, 2),
				text(":020000040800F2\n:0400000001020304F2\n:00000001FF\n") };
	struct file f;

	for (size_t i = 0; i < KF_ARRAY_SIZE(whole); i++) {
		CHECK(parse(&whole[i]) == 0);
		for (f = whole[i], f.len--; f.len > 10; f.len--)
			CHECK(parse(&f) < 0 || image.len == (i == 3 ? 4u : f.len));
	}
}

/* Vectors, the signature before the code at 0x40, and the names. */
static struct file katapult(const char *mcu, const char *version)
{
	struct file f = { .len = 0x80 };

	put(&f, 0, 0x20010000, 4);
	put(&f, 4, 0x08000041, 4);
	memcpy(f.data + 0x38, "CanBoot!", 8);
	memcpy(f.data + 0x43, mcu, strlen(mcu) + 1);
	memcpy(f.data + 0x43 + strlen(mcu) + 1, version, strlen(version) + 1);
	return f;
}

static bool is_katapult(const struct file *f)
{
	return parse(f) == 0 &&
	       kf_katapult_image(image.data, image.len, image.start_known ? &image.start : NULL,
				 &image.dictionary, &image.start);
}

TEST(katapult_is_known_by_what_klipper_looks_for)
{
	struct file f = katapult("stm32f446xx", "v0.0.1");

	CHECK(is_katapult(&f));
	CHECK_STR(image.dictionary.mcu, "stm32f446xx");
	CHECK_STR(image.dictionary.version, "v0.0.1");
	CHECK(image.start == 0x08000000);
	f = katapult("stm32f446xx", "v0 \x1b[31m");
	CHECK(is_katapult(&f));
	CHECK_STR(image.dictionary.version, "");
	/* Without the version, and cut after the name. */
	f = katapult("stm32f446xx", "");
	f.len = 0x43 + strlen("stm32f446xx") + 1;
	CHECK(is_katapult(&f));
	f.len--;
	CHECK(!is_katapult(&f));
	f = katapult("stm32f446xx", "v0.0.1");
	f.data[0x38] = 'c';
	CHECK(!is_katapult(&f));
	for (uint32_t reset = 0x08000000; reset < 0x08000040; reset++) {
		f = katapult("stm32f446xx", "v0.0.1");
		put(&f, 4, reset, 4);
		CHECK(!is_katapult(&f));
	}
	put(&f, 4, 0xffffffff, 4);
	CHECK(!is_katapult(&f));
	/* A chip that has no Katapult, and one with its vectors elsewhere. */
	f = katapult("stm32l412xx", "v0.0.1");
	CHECK(!is_katapult(&f));
	f = katapult("rp2040", "v0.0.1");
	CHECK(!is_katapult(&f));
	/* An address in the file has to be the start of the flash. */
	f = two_blocks();
	CHECK(!is_katapult(&f));
}

TEST_MAIN(T(katapult_is_known_by_what_klipper_looks_for), T(bin_is_what_no_format_claims),
	  T(uf2_fills_gaps), T(uf2_hostile), T(hex_with_bases), T(hex_without_a_line),
	  T(hex_hostile), T(elf_of_both_classes), T(elf_hostile), T(every_cut_is_survived))
