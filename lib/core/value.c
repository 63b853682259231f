/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "core/value.h"

/* No chip of Klipper's has more flash. */
enum { COUNT_MAX = 1024, BYTES_MAX = 16 << 20, BAUD_MIN = 1200, BAUD_MAX = 12000000 };

/* Fractions are allowed: at least least_ms, and a day at most. */
static bool read_seconds(const char *text, int64_t least_ms, int64_t *ret_ms)
{
	char *end;
	double s = strtod(text, &end);

	if (end == text || *end || !(s >= 0 && s <= 86400) || (int64_t)(s * 1000) < least_ms)
		return false;
	*ret_ms = (int64_t)(s * 1000);
	return true;
}

static bool read_number(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	*ret = text[strspn(text, "0123456789")] ? 0 : strtoll(text, NULL, 10);
	return *ret >= min && *ret <= max;
}

int kf_value_read(enum kf_value value, const char *option, const char *text, int64_t *ret,
		  struct kf_error *err)
{
	static const struct {
		enum kf_value value;
		int min, max;
	} numbers[] = {
		{ KF_VALUE_COUNT, 1, COUNT_MAX },
		{ KF_VALUE_BYTES, 1, BYTES_MAX },
		{ KF_VALUE_BAUD, BAUD_MIN, BAUD_MAX },
	};
	int64_t ignored = 0, *number = ret ? ret : &ignored;
	bool delay = value == KF_VALUE_DELAY;

	if (value != KF_VALUE_ANY && !*text)
		return kf_fail(err, KF_USAGE, "--%s needs a value", option);
	for (size_t i = 0; i < KF_ARRAY_SIZE(numbers); i++)
		if (value == numbers[i].value &&
		    !read_number(text, numbers[i].min, numbers[i].max, number))
			return kf_fail(err, KF_USAGE, "--%s: \"%s\" is not a number from %d to %d",
				       option, text, numbers[i].min, numbers[i].max);
	if ((value == KF_VALUE_TIMEOUT || delay) && !read_seconds(text, delay ? 0 : 1, number))
		return kf_fail(err, KF_USAGE, "--%s: \"%s\" is not a number of seconds %s a day",
			       option, text, delay ? "up to" : "above 0 and up to");
	return 0;
}

int kf_value_copy(const char *option, const char *text, char *ret, size_t size,
		  struct kf_error *err)
{
	int r = kf_value_read(KF_VALUE_TEXT, option, text, NULL, err);

	if (r == 0 && !kf_text_format(ret, size, "%s", text))
		r = kf_fail(err, KF_USAGE, "--%s: \"%s\" is too long", option, text);
	return r;
}
