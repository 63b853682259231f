/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PICOBOOT's commands and statuses as boot/picoboot.h lays them out, and the order of a write. */
#include <errno.h>
#include <stdlib.h>

#include "core/bytes.h"
#include "picoboot/command.h"
#include "picoboot/pages.h"
#include "unit/test.h"

static bool encodes(struct kf_picoboot_command command, uint32_t token, const char *want)
{
	uint8_t got[KF_PICOBOOT_COMMAND_BYTES];

	kf_picoboot_encode(&command, token, got);
	return memcmp(got, want, sizeof(got)) == 0;
}

TEST(commands_have_32_bytes_as_the_rom_reads_them)
{
	CHECK(encodes(kf_picoboot_exclusive(), 1,
		      "\x0b\xd1\x1f\x43\x01\0\0\0\x01\x01\0\0\0\0\0\0"
		      "\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
	CHECK(encodes(kf_picoboot_exit_xip(), 2,
		      "\x0b\xd1\x1f\x43\x02\0\0\0\x06\0\0\0\0\0\0\0"
		      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
	CHECK(encodes(kf_picoboot_range(KF_PICOBOOT_ERASE, 0x10004000, 0x9000), 0x12345678,
		      "\x0b\xd1\x1f\x43\x78\x56\x34\x12\x03\x08\0\0\0\0\0\0"
		      "\0\x40\0\x10\0\x90\0\0\0\0\0\0\0\0\0\0"));
	CHECK(encodes(kf_picoboot_range(KF_PICOBOOT_WRITE, 0x10000100, 0x100), 3,
		      "\x0b\xd1\x1f\x43\x03\0\0\0\x05\x08\0\0\0\x01\0\0"
		      "\0\x01\0\x10\0\x01\0\0\0\0\0\0\0\0\0\0"));
	CHECK(encodes(kf_picoboot_range(KF_PICOBOOT_READ, 0x10000000, 0x1000), 4,
		      "\x0b\xd1\x1f\x43\x04\0\0\0\x84\x08\0\0\0\x10\0\0"
		      "\0\0\0\x10\0\x10\0\0\0\0\0\0\0\0\0\0"));
	CHECK(encodes(kf_picoboot_reboot(false, 20), 5,
		      "\x0b\xd1\x1f\x43\x05\0\0\0\x02\x0c\0\0\0\0\0\0"
		      "\0\0\0\0\0\0\0\0\x14\0\0\0\0\0\0\0"));
	CHECK(encodes(kf_picoboot_reboot(true, 20), 6,
		      "\x0b\xd1\x1f\x43\x06\0\0\0\x0a\x10\0\0\0\0\0\0"
		      "\0\0\0\0\x14\0\0\0\0\0\0\0\0\0\0\0"));
}

TEST(a_status_has_16_bytes)
{
	static const uint8_t data[] = { 0x78, 0x56, 0x34, 0x12, 5, 0, 0, 0, 0x84,
					1,    0,    0,	  0,	0, 0, 0, 0 };
	struct kf_picoboot_status got;

	CHECK(kf_picoboot_status_decode(data, KF_PICOBOOT_STATUS_BYTES, &got) == 0);
	CHECK(got.token == 0x12345678 && got.code == 5 && got.id == KF_PICOBOOT_READ &&
	      got.in_progress);
	for (size_t len = 0; len < KF_PICOBOOT_STATUS_BYTES; len++)
		CHECK(kf_picoboot_status_decode(data, len, &got) == -EBADMSG);
	CHECK(kf_picoboot_status_decode(data, sizeof(data), &got) == -EBADMSG);
	CHECK_STR(kf_picoboot_status_text(5), "bad alignment");
	CHECK_STR(kf_picoboot_status_text(17), "unsupported modification");
	CHECK_STR(kf_picoboot_status_text(18), "an unknown status");
	CHECK_STR(kf_picoboot_status_text(UINT32_MAX), "an unknown status");
	CHECK_STR(kf_picoboot_command_name(got.id), "READ");
	CHECK_STR(kf_picoboot_command_name((enum kf_picoboot_id)0x7f), "an unknown command");
}

TEST(erases_whole_sectors_up_to_the_block_boundaries)
{
	static const struct {
		uint32_t from, bytes;
		struct kf_picoboot_step want[4];
	} cases[] = {
		{ 0x10000000, 1, { { 0x10000000, 0x1000 } } },
		{ 0x10000000, 0x9001, { { 0x10000000, 0xa000 } } },
		{ 0x10000000, 0x10000, { { 0x10000000, 0x10000 } } },
		{ 0x10004000, 0xd000, { { 0x10004000, 0xc000 }, { 0x10010000, 0x1000 } } },
		{ 0x10004000,
		  0x1c001,
		  { { 0x10004000, 0xc000 }, { 0x10010000, 0x10000 }, { 0x10020000, 0x1000 } } },
	};
	static const uint8_t none[0x1c001];
	struct kf_picoboot_pages pages;
	struct kf_picoboot_step step;

	for (size_t c = 0; c < KF_ARRAY_SIZE(cases); c++) {
		size_t i = 0;

		CHECK(kf_picoboot_pages_find(none, cases[c].bytes, cases[c].from, &pages, NULL) ==
		      0);
		for (; cases[c].want[i].bytes; i++) {
			CHECK(kf_picoboot_erase_step(&pages, i, &step));
			CHECK(step.address == cases[c].want[i].address &&
			      step.bytes == cases[c].want[i].bytes);
		}
		CHECK(!kf_picoboot_erase_step(&pages, i, &step));
	}
}

/* Each page is written once, after an erase of its sector; *ret is the page that came last. */
static bool covers(const struct kf_picoboot_pages *pages, size_t len, uint32_t *ret)
{
	uint8_t written[256] = { 0 };
	struct kf_picoboot_step step;
	size_t count = 0;

	for (size_t i = 0; kf_picoboot_write_step(pages, i, &step); i++) {
		if (step.bytes == 0 || step.bytes > KF_PICOBOOT_SECTOR ||
		    step.bytes % KF_PICOBOOT_PAGE || step.address % KF_PICOBOOT_PAGE)
			return false;
		for (uint32_t at = 0; at < step.bytes; at += KF_PICOBOOT_PAGE, count++)
			if (written[(step.address - pages->from + at) / KF_PICOBOOT_PAGE]++)
				return false;
		*ret = step.address + step.bytes - KF_PICOBOOT_PAGE;
	}
	return count == (len + KF_PICOBOOT_PAGE - 1) / KF_PICOBOOT_PAGE;
}

TEST(the_page_that_makes_it_start_is_written_last)
{
	static uint8_t image[0xa000];
	struct kf_picoboot_pages pages;
	uint32_t last = 0;

	for (size_t len = 1; len <= sizeof(image); len += 77) {
		CHECK(kf_picoboot_pages_find(image, len, 0x10004000, &pages, NULL) == 0);
		CHECK(covers(&pages, len, &last) && last == 0x10004000);
	}
	/* An RP2350's image definition; a marker behind the first sector is none. */
	for (size_t at = 0; at < 2 * KF_PICOBOOT_SECTOR; at += 4) {
		uint32_t want = at < KF_PICOBOOT_SECTOR ? (uint32_t)at & ~0xffu : 0;

		kf_put_le32(image + at, 0xffffded3);
		CHECK(kf_picoboot_pages_find(image, 0x9001, 0x10000000, &pages, NULL) == 0);
		CHECK(covers(&pages, 0x9001, &last) && last == 0x10000000 + want);
		kf_put_le32(image + at, 0);
	}
}

TEST(an_image_inside_a_sector_is_refused)
{
	static const uint8_t image[512];
	struct kf_picoboot_pages pages;
	struct kf_error err;

	CHECK(kf_picoboot_pages_find(image, sizeof(image), 0x10000100, &pages, &err) ==
	      kf_code_errno(KF_BAD_IMAGE));
	CHECK(strstr(err.message, "0x10000100") && strstr(err.message, "4096"));
}

TEST_MAIN(T(commands_have_32_bytes_as_the_rom_reads_them), T(a_status_has_16_bytes),
	  T(erases_whole_sectors_up_to_the_block_boundaries),
	  T(the_page_that_makes_it_start_is_written_last), T(an_image_inside_a_sector_is_refused))
