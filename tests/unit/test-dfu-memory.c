/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The memory of STM32's DFU, by the names that its alternate settings have. */
#include "dfu/memory.h"
#include "unit/test.h"

#define FOUR "1*1Kg,1*1Kg,1*1Kg,1*1Kg"

static bool refused(const char *text)
{
	struct kf_dfu_memory memory;

	return !kf_dfu_memory_parse(text, &memory);
}

TEST(the_sectors_of_real_parts)
{
	struct kf_dfu_memory m;
	struct kf_dfu_sector s;

	CHECK(kf_dfu_memory_parse("@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg", &m));
	CHECK_STR(m.name, "Internal Flash");
	CHECK(m.count == 3 && kf_dfu_memory_end(&m, 0x08000000) == 0x08100000);
	CHECK(kf_dfu_memory_sector(&m, 0x0800ffff, &s));
	CHECK(s.start == 0x0800c000 && s.bytes == 0x4000 && s.readable && s.erasable && s.writable);
	CHECK(kf_dfu_memory_sector(&m, 0x08010000, &s) && s.bytes == 0x10000);
	CHECK(kf_dfu_memory_sector(&m, 0x080fffff, &s) && s.start == 0x080e0000);
	CHECK(!kf_dfu_memory_sector(&m, 0x08100000, &s) &&
	      !kf_dfu_memory_sector(&m, 0x07ffffff, &s));
	CHECK(kf_dfu_memory_parse("@Internal Flash  /0x08000000/064*0002Kg", &m));
	CHECK(kf_dfu_memory_sector(&m, 0x08000800, &s) && s.start == 0x08000800 && s.bytes == 2048);
	/* bits: a can be read alone, e read and written */
	CHECK(kf_dfu_memory_parse("@OTP Memory /0x1FFF7800/01*512 e,01*016 a", &m));
	CHECK(kf_dfu_memory_sector(&m, 0x1fff7800, &s) && s.readable && !s.erasable && s.writable);
	CHECK(kf_dfu_memory_sector(&m, 0x1fff7a00, &s) && s.readable && !s.writable &&
	      s.bytes == 16);
	CHECK(kf_dfu_memory_parse("@Option Bytes  /0x5200201C/01*128 e/0x5200211C/01*128 e", &m));
	CHECK(m.count == 2 && m.regions[1].start == 0x5200211c);
}

TEST(an_image_fits_only_where_every_sector_can_be_written)
{
	struct kf_dfu_memory m;

	CHECK(kf_dfu_memory_parse("@Flash/0x08000000/2*1Kg,1*1Ka,1*1Kg", &m));
	CHECK(kf_dfu_memory_takes(&m, 0x08000000, 2048) && kf_dfu_memory_takes(&m, 0x08000400, 1));
	CHECK(!kf_dfu_memory_takes(&m, 0x08000000, 2049));
	CHECK(kf_dfu_memory_takes(&m, 0x08000c00, 1024) &&
	      !kf_dfu_memory_takes(&m, 0x08000c00, 1025));
	CHECK(!kf_dfu_memory_takes(&m, 0x07ffffff, 2) &&
	      !kf_dfu_memory_takes(&m, 0x08000000, SIZE_MAX / 2));
}

TEST(what_is_no_such_name_is_refused)
{
	static const char *const texts[] = {
		"",
		"Internal Flash /0x08000000/04*016Kg",
		"@Internal Flash",
		"@Internal Flash /0x08000000",
		"@Internal Flash /0x08000000/",
		"@Internal Flash /08000000/04*016Kg",
		"@Internal Flash /0x08000000/04*016K",
		"@Internal Flash /0x08000000/04*016Kh",
		"@Internal Flash /0x08000000/00*016Kg",
		"@Internal Flash /0x08000000/04*000Kg",
		"@Internal Flash /0x08000000/04-016Kg",
		"@Internal Flash /0x08000000/04*016Kg,",
		"@Internal Flash /0x08000000/04*016Kg more",
		"@Internal Flash /0x108000000/04*016Kg",
		"@Internal Flash /0xfffff000/04*016Kg",
		"@Internal Flash /0x08000000/99999999*9999Mg",
	};

	for (size_t i = 0; i < KF_ARRAY_SIZE(texts); i++) {
		if (!refused(texts[i]))
			printf("# %s\n", texts[i]);
		CHECK(refused(texts[i]));
	}
	CHECK(!refused("@F/0x0/" FOUR "," FOUR "," FOUR "," FOUR));
	CHECK(refused("@F/0x0/" FOUR "," FOUR "," FOUR "," FOUR ",1*1Kg"));
}

TEST_MAIN(T(the_sectors_of_real_parts), T(an_image_fits_only_where_every_sector_can_be_written),
	  T(what_is_no_such_name_is_refused))
