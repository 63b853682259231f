/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One firmware, or two: with stamps of the build, and with other bytes. */
#include <zlib.h>

#include "firmware/same-firmware.h"
#include "unit/test.h"

enum { START = 0x8020000, HEAD = 256, TAIL = 64 };

struct made {
	uint8_t bytes[2048];
	size_t len;
};

/* Code, a dictionary of this version, compilers and clock, and more behind it. */
static struct made make(const char *version, const char *compilers, int clock)
{
	struct made made = { .len = HEAD };
	uLongf used = sizeof(made.bytes) - HEAD - TAIL;
	char json[512];

	for (size_t i = 0; i < sizeof(made.bytes); i++)
		made.bytes[i] = (uint8_t)(i * 7);
	snprintf(json, sizeof(json),
		 "{\"app\":\"Klipper\",\"build_versions\":\"%s\",\"config\":{\"CLOCK_FREQ\":%d,"
		 "\"MCU\":\"rp2040\"},\"version\":\"%s\"}",
		 compilers, clock, version);
	CHECK(compress2(made.bytes + HEAD, &used, (const Bytef *)json, strlen(json), 9) == Z_OK);
	memset(made.bytes + HEAD + used, 0x55, TAIL);
	made.len += used + TAIL;
	return made;
}

static struct kf_packed packed;

static enum kf_same compare(const struct made *built, const struct made *read, char why[256])
{
	return kf_firmware_same(built->bytes, built->len, read->bytes, read->len, START, why, 256,
				&packed);
}

TEST(equal_bytes_are_the_same_whatever_follows_them)
{
	struct made a = make("v1-5-gabcdef", "gcc: 12", 48), b = a;
	char why[256];

	CHECK(compare(&a, &b, why) == KF_SAME);
	memset(b.bytes + b.len, 0xff, 100);
	b.len += 100;
	CHECK(compare(&a, &b, why) == KF_SAME);
	CHECK_STR(why, "");
	b.len = a.len - 4;
	CHECK(compare(&a, &b, why) == KF_SAME_SO_FAR);
	CHECK_STR(why, "it is longer than what was read");
}

TEST(stamps_leave_it_open_with_the_dictionary_that_was_read)
{
	struct made a = make("v1-5-gabcdef-20261123_030726-host", "gcc: 12", 48);
	struct made b = make("v1-5-gabcdef-20261124_030726-host", "gcc: 13", 48);
	struct made c = make("v1-5-gabcdef-20261123_030726-another-host", "gcc: 12", 48);
	char why[256];

	CHECK(a.len == b.len);
	CHECK(a.len < c.len);
	CHECK(compare(&a, &b, why) == KF_SAME_STAMPS);
	CHECK(packed.data == b.bytes + HEAD && packed.len == b.len - HEAD - TAIL);
	CHECK(compare(&a, &c, why) == KF_SAME_STAMPS);
	CHECK(packed.data == c.bytes + HEAD && packed.len == c.len - HEAD - TAIL);
	/* With the same dictionary in both, another byte outside of it is found. */
	b = a;
	b.bytes[10] ^= 1;
	CHECK(compare(&a, &b, why) == KF_SAME_NOT);
	CHECK_STR(why, "the first other byte is at 0x0802000a");
	b.bytes[10] ^= 1;
	b.bytes[b.len - 1] ^= 1;
	CHECK(compare(&a, &b, why) == KF_SAME_NOT);
}

TEST(another_dictionary_is_named)
{
	struct made a = make("v1-5-gabcdef", "gcc: 12", 48),
		    b = make("v1-5-gabcdef", "gcc: 12", 64);
	char why[256];

	CHECK(compare(&a, &b, why) == KF_SAME_NOT);
	CHECK_STR(why, "its dictionary has another CLOCK_FREQ");
	b = make("v1-6-gabcdee", "gcc: 12", 48);
	CHECK(compare(&a, &b, why) == KF_SAME_NOT);
	CHECK_STR(why, "its dictionary has another version");
	memset(b.bytes, 0xff, b.len);
	CHECK(compare(&a, &b, why) == KF_SAME_NOT);
	CHECK_STR(why, "no dictionary of Klipper is at its place");
}

TEST_MAIN(T(equal_bytes_are_the_same_whatever_follows_them),
	  T(stamps_leave_it_open_with_the_dictionary_that_was_read), T(another_dictionary_is_named))
