/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For which start a .bin was linked. */
#include <string.h>

#include "core/bytes.h"
#include "firmware/link-start.h"
#include "unit/test.h"

enum { BYTES = 40 * 1024, RESET = 0x6b4c, DEFAULT = 0x6b60 };

static uint8_t data[BYTES];

static void put_instruction(size_t at, uint16_t instruction)
{
	data[at] = instruction & 0xff;
	data[at + 1] = instruction >> 8;
}

/* Firmware that is linked for start, with its vector table at the offset table. */
static void make(uint32_t start, size_t table)
{
	memset(data, 0x55, sizeof(data));
	kf_put_le32(data + table, 0x20020000);
	kf_put_le32(data + table + 4, start + RESET + 1);
	kf_put_le32(data + table + 8, start + DEFAULT + 1);
	put_instruction(RESET, 0xb672);
	put_instruction(DEFAULT, 0xe7fe);
}

static bool starts(const char *mcu, uint32_t want)
{
	uint32_t start = 0x12345678;
	bool found = kf_link_start(data, sizeof(data), mcu, &start);

	if (found && start == want)
		return true;
	printf("# %s: %d 0x%08x, want 0x%08x\n", mcu, found, start, want);
	return false;
}

static bool nobody_knows(const char *mcu, size_t len)
{
	uint32_t start;

	return !kf_link_start(data, len, mcu, &start);
}

TEST(every_kind_of_chip)
{
	/* Vectors as the builds of Klipper v0.13.0-730 and Kalico f2532ee34 have them. */
	static const struct {
		const char *mcu;
		uint32_t start, table;
	} chips[] = {
		{ "stm32f446xx", 0x08000000, 0 }, { "stm32g0b1xx", 0x08002000, 0 },
		{ "stm32f407xx", 0x08020200, 0 }, { "stm32f103xe", 0x08000800, 0 },
		{ "samd21g18a", 0x2000, 0 },	  { "samd51p20a", 0x4000, 0 },
		{ "sam3x8e", 0x80000, 0 },	  { "lpc1768", 0, 0 },
		{ "lpc1769", 0x4000, 0 },	  { "rp2040", 0x10004000, 0 },
		{ "rp2040", 0x10000000, 0x100 },  { "rp2350", 0x10000000, 0 },
	};

	for (size_t i = 0; i < KF_ARRAY_SIZE(chips); i++) {
		make(chips[i].start, chips[i].table);
		CHECK(starts(chips[i].mcu, chips[i].start));
	}
	/* The code is linked for the mirror of the flash at 0. */
	make(0x4000, 0);
	CHECK(starts("same70q20b", 0x404000));
	make(0x404000, 0);
	CHECK(starts("same70q20b", 0x404000));
	/* The NMI leads into RAM. */
	make(0x10004000, 0);
	kf_put_le32(data + 8, 0x20007a61);
	put_instruction(DEFAULT, 0);
	CHECK(starts("rp2040", 0x10004000));
}

TEST(another_such_instruction)
{
	make(0x08008000, 0);
	put_instruction(RESET - 0x2000, 0xb672);
	CHECK(starts("stm32f446xx", 0x08008000));
	put_instruction(DEFAULT - 0x2000, 0xe7fe);
	CHECK(nobody_knows("stm32f446xx", sizeof(data)));
}

TEST(nothing_tells)
{
	make(0x08008000, 0);
	put_instruction(RESET, 0x4b02);
	CHECK(nobody_knows("stm32f446xx", sizeof(data)));
	make(0x08008000, 0);
	put_instruction(DEFAULT, 0x4770);
	CHECK(nobody_knows("stm32f446xx", sizeof(data)));
	make(0x08008000, 0);
	kf_put_le32(data + 4, 0x08008000 + RESET);
	CHECK(nobody_knows("stm32f446xx", sizeof(data)));
	make(0x08008000, 0);
	CHECK(nobody_knows("atmega2560", sizeof(data)) && nobody_knows("linux", sizeof(data)));
	CHECK(nobody_knows("stm32f446xx", 11) && nobody_knows("stm32f446xx", RESET + 1));
	memset(data, 0xff, sizeof(data));
	CHECK(nobody_knows("stm32f446xx", sizeof(data)) && nobody_knows("lpc1768", sizeof(data)));
}

TEST_MAIN(T(every_kind_of_chip), T(another_such_instruction), T(nothing_tells))
