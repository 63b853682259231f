/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The compiler's prefix in a board's Makefile. */
#include "build/toolchain.h"
#include "unit/test.h"

TEST(plain_assignments)
{
	static const struct {
		const char *makefile, *prefix;
	} cases[] = {
		{ "# Setup\nCROSS_PREFIX=arm-none-eabi-\n\ndirs-y += src\n", "arm-none-eabi-" },
		{ "CROSS_PREFIX := avr-  # comment", "avr-" },
		{ "  CROSS_PREFIX\t?= or1k-elf-\r\n", "or1k-elf-" },
		{ "CROSS_PREFIX=first-\nCROSS_PREFIX=last-\n", "last-" },
	};
	char prefix[32];

	for (size_t i = 0; i < KF_ARRAY_SIZE(cases); i++) {
		CHECK(kf_cross_prefix(cases[i].makefile, prefix, sizeof(prefix)));
		CHECK_STR(prefix, cases[i].prefix);
	}
}

TEST(nothing_that_can_be_told)
{
	static const char *const cases[] = {
		"",
		"src-y += linux/main.c\n",
		"# CROSS_PREFIX=arm-none-eabi-\n",
		"CROSS_PREFIX=\n",
		"CROSS_PREFIX=$(shell which gcc)\n",
		"CROSS_PREFIXES=arm-\n",
		"CROSS_PREFIX=a-name-that-does-not-fit-into-what-was-given-\n",
	};
	char prefix[32];

	for (size_t i = 0; i < KF_ARRAY_SIZE(cases); i++)
		CHECK(!kf_cross_prefix(cases[i], prefix, sizeof(prefix)));
}

TEST_MAIN(T(plain_assignments), T(nothing_that_can_be_told))
