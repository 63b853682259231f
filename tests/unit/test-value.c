/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values of options, and the errors for wrong ones. */
#include <errno.h>

#include "core/value.h"
#include "registry/method.h"
#include "unit/test.h"

static int64_t takes(enum kf_value value, const char *text)
{
	int64_t number = -1;

	CHECK(kf_value_read(value, "option", text, &number, NULL) == 0);
	CHECK(kf_value_read(value, "option", text, NULL, NULL) == 0);
	return number;
}

static void refuses(enum kf_value value, const char *text, const char *message)
{
	struct kf_error err;

	CHECK(kf_value_read(value, "option", text, NULL, &err) == -EINVAL);
	CHECK(err.code == KF_USAGE);
	CHECK_STR(err.message, message);
}

TEST(numbers)
{
	CHECK(takes(KF_VALUE_COUNT, "1") == 1);
	CHECK(takes(KF_VALUE_COUNT, "1024") == 1024);
	refuses(KF_VALUE_COUNT, "0", "--option: \"0\" is not a number from 1 to 1024");
	refuses(KF_VALUE_COUNT, "1025", "--option: \"1025\" is not a number from 1 to 1024");
	refuses(KF_VALUE_COUNT, "-1", "--option: \"-1\" is not a number from 1 to 1024");
	refuses(KF_VALUE_COUNT, "1.5", "--option: \"1.5\" is not a number from 1 to 1024");
	refuses(KF_VALUE_COUNT, "99999999999999999999",
		"--option: \"99999999999999999999\" is not a number from 1 to 1024");
}

TEST(seconds)
{
	CHECK(takes(KF_VALUE_TIMEOUT, "1.5") == 1500);
	CHECK(takes(KF_VALUE_TIMEOUT, "86400") == 86400000);
	CHECK(takes(KF_VALUE_DELAY, "0") == 0);
	refuses(KF_VALUE_TIMEOUT, "0",
		"--option: \"0\" is not a number of seconds above 0 and up to a day");
	refuses(KF_VALUE_DELAY, "-1", "--option: \"-1\" is not a number of seconds up to a day");
	refuses(KF_VALUE_DELAY, "abc", "--option: \"abc\" is not a number of seconds up to a day");
	refuses(KF_VALUE_DELAY, "nan", "--option: \"nan\" is not a number of seconds up to a day");
}

TEST(words)
{
	takes(KF_VALUE_ANY, "");
	takes(KF_VALUE_TEXT, "x");
	refuses(KF_VALUE_TEXT, "", "--option needs a value");
	refuses(KF_VALUE_COUNT, "", "--option needs a value");
}

TEST(methods)
{
	struct kf_error err;

	CHECK(kf_method_check("option", "make_flash", NULL) == 0);
	CHECK(kf_method_check("option", "bogus", &err) == -EINVAL);
	CHECK_STR(err.message, "--option: \"bogus\" is not a flash method");
	CHECK_STR(err.hint, "choose " KF_METHODS);
}

TEST_MAIN(T(numbers), T(seconds), T(words), T(methods))
