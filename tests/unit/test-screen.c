/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text on a terminal of some columns. */
#include <stdlib.h>
#include <string.h>

#include "terminal/screen.h"
#include "unit/test.h"

static const char by_id[] =
	"/dev/serial/by-id/usb-Klipper_stm32h723xx_29001A001151313531383332-if00";

/* text, wrapped to columns; the caller does not free it. */
static const char *wrapped(const char *text, int columns, int at, int indent, int *ret_at)
{
	static char buf[4096];
	struct kf_screen screen = { .columns = columns };
	int end;

	memset(buf, 0, sizeof(buf));
	screen.out = fmemopen(buf, sizeof(buf), "w");
	end = kf_screen_wrap(&screen, text, at, indent);
	if (ret_at)
		*ret_at = end;
	fclose(screen.out);
	return buf;
}

TEST(width_is_in_columns)
{
	CHECK(kf_screen_width("") == 0);
	CHECK(kf_screen_width("abc") == 3);
	CHECK(kf_screen_width("\xc3\xa4") == 1);		 /* a umlaut */
	CHECK(kf_screen_width("a\xcc\x88") == 1);		 /* a and a combining diaeresis */
	CHECK(kf_screen_width("\xe6\x9d\xbf\xe5\xad\x90") == 4); /* two wide letters */
	CHECK(kf_screen_width("\xff\xfe") == 2);		 /* no UTF-8 */
}

TEST(cut_between_letters)
{
	char text[] = "\xe6\x9d\xbf\xe5\xad\x90x";

	CHECK(kf_screen_cut(text, 5) == 5);
	CHECK(kf_screen_cut(text, 3) == 2);
	CHECK_STR(text, "\xe6\x9d\xbf");
	CHECK(kf_screen_cut(text, 0) == 0);
	CHECK_STR(text, "");
}

TEST(the_middle_of_a_path_goes)
{
	char text[256];

	kf_screen_shorten(text, sizeof(text), by_id, 200);
	CHECK_STR(text, by_id);
	for (int columns = 5; columns < (int)strlen(by_id); columns++) {
		kf_screen_shorten(text, sizeof(text), by_id, columns);
		CHECK((int)strlen(text) == columns);
	}
	kf_screen_shorten(text, sizeof(text), by_id, 33);
	CHECK_STR(text, "/dev/serial/by-...3531383332-if00");
	kf_screen_shorten(text, sizeof(text), "\xe6\x9d\xbf\xe6\x9d\xbf\xe6\x9d\xbf\xe6\x9d\xbf",
			  7);
	CHECK(kf_screen_width(text) <= 7);
	kf_screen_shorten(text, sizeof(text), "abcdef", 3);
	CHECK_STR(text, "abc");
	kf_screen_shorten(text, sizeof(text), "abcdef", -1);
	CHECK_STR(text, "");
}

TEST(text_is_wrapped_at_words)
{
	int at;

	CHECK_STR(wrapped("one two three", 10, 0, 2, &at), "one two\n  three");
	CHECK(at == 7);
	CHECK_STR(wrapped("one two three", 0, 0, 2, &at), "one two three");
	CHECK_STR(wrapped("one two", 10, 5, 2, NULL), "one\n  two");
	CHECK_STR(wrapped(" one", 10, 8, 2, NULL), "\n  one");
	/* A word that is too long stays whole. */
	CHECK_STR(wrapped("a 1234567890123 b", 10, 0, 2, NULL), "a\n  1234567890123\n  b");
	/* The last column stays free. */
	CHECK_STR(wrapped("1234 6789", 10, 0, 0, NULL), "1234 6789");
	CHECK_STR(wrapped("1234 67890", 10, 0, 0, NULL), "1234\n67890");
	/* Wide letters count twice. */
	CHECK_STR(wrapped("\xe6\x9d\xbf\xe6\x9d\xbf \xe6\x9d\xbf\xe6\x9d\xbf", 9, 0, 0, NULL),
		  "\xe6\x9d\xbf\xe6\x9d\xbf\n\xe6\x9d\xbf\xe6\x9d\xbf");
	CHECK_STR(wrapped("one two", 2, 0, 8, NULL), "one\ntwo");
}

TEST(a_file_is_no_screen)
{
	FILE *f = tmpfile();
	struct kf_screen screen = kf_screen_of(f);

	CHECK(screen.columns == 0 && !screen.colour && !screen.moves);
	CHECK_STR(kf_screen_colour(&screen, KF_COLOUR_BAD), "");
	fclose(f);
}

TEST_MAIN(T(width_is_in_columns), T(cut_between_letters), T(the_middle_of_a_path_goes),
	  T(text_is_wrapped_at_words), T(a_file_is_no_screen))
