/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A unit test is a file: TEST(name) { CHECK(...); } any number of times, then
 * TEST_MAIN(name, name, ...). It prints one line of TAP a test; tests/run counts them.
 */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "unit/program.h"

struct test {
	const char *name;
	void (*run)(void);
};

static bool test_failed;
static const char *test_skipped; /* why */

#define TEST(name) static void name(void)

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			test_failed = true;                                                        \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);                        \
		}                                                                                  \
	} while (0)

#define CHECK_STR(got, want)                                                                       \
	do {                                                                                       \
		const char *got_ = (got), *want_ = (want);                                         \
		if (strcmp(got_, want_) != 0) {                                                    \
			test_failed = true;                                                        \
			printf("# %s:%d: got \"%s\", want \"%s\"\n", __FILE__, __LINE__, got_,     \
			       want_);                                                             \
		}                                                                                  \
	} while (0)

/* Leave a test that this machine cannot run. */
#define SKIP(why)                                                                                  \
	do {                                                                                       \
		test_skipped = (why);                                                              \
		return;                                                                            \
	} while (0)

static inline int test_main(const struct test *tests, size_t count)
{
	bool any = false;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		test_failed = false;
		test_skipped = NULL;
		tests[i].run();
		printf("%s %zu %s%s%s\n", test_failed ? "not ok" : "ok", i + 1, tests[i].name,
		       test_skipped ? " # SKIP " : "", test_skipped ? test_skipped : "");
		any = any || test_failed;
	}
	return any;
}

#define TEST_MAIN(...)                                                                             \
	PROGRAM                                                                                    \
	{                                                                                          \
		static const struct test tests[] = { __VA_ARGS__ };                                \
		return test_main(tests, sizeof(tests) / sizeof(tests[0]));                         \
	}
#define T(name)                                                                                    \
	{                                                                                          \
#name, name                                                                        \
	}

#endif
