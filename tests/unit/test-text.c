/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hostile strings become safe, and good ones stay what they are. */
#include "board/board.h"
#include "core/text.h"
#include "unit/test.h"

static void cleans(const char *src, const char *want)
{
	char dst[64];
	bool same = kf_text_clean(dst, sizeof(dst), src, strlen(src));

	CHECK_STR(dst, want);
	CHECK(same == (strcmp(src, want) == 0));
}

TEST(good_text_stays)
{
	cleans("", "");
	cleans("usb-Klipper_stm32h723xx_29001A-if00", "usb-Klipper_stm32h723xx_29001A-if00");
	cleans("Größe 中文 \360\237\226\250", "Größe 中文 \360\237\226\250");
	cleans("\302\240", "\302\240"); /* the first above C1 */
	cleans("\357\277\275\364\217\277\277", "\357\277\275\364\217\277\277"); /* U+10FFFF */
}

TEST(control_characters_go)
{
	cleans("a\033[2Jb", "a?[2Jb");
	cleans("a\nb\rc\td\177", "a?b?c?d?");
	cleans("\302\205\302\233", "??");		   /* C1: NEL, CSI */
	cleans("\342\200\256rtl\342\200\250", "?rtl?");	   /* U+202E, U+2028 */
	cleans("\342\201\246\342\200\213\330\234", "???"); /* U+2066, U+200B, U+061C */
	cleans("\357\273\277bom", "?bom");
}

TEST(broken_utf8_goes_byte_by_byte)
{
	cleans("\200", "?");		    /* continuation alone */
	cleans("\303", "?");		    /* cut at the end */
	cleans("\342\202", "??");	    /* likewise */
	cleans("\303(", "?(");		    /* what follows is not swallowed */
	cleans("\300\257", "??");	    /* overlong '/' */
	cleans("\340\200\257", "???");	    /* overlong in three */
	cleans("\355\240\200", "???");	    /* a surrogate */
	cleans("\364\220\200\200", "????"); /* above U+10FFFF */
	cleans("\377\376\370\210\200\200\200", "???????");
}

TEST(size_bounds_bytes_and_cuts_between_characters)
{
	char dst[5];

	CHECK(kf_text_clean(dst, 5, "abcd", 4));
	CHECK_STR(dst, "abcd");
	CHECK(!kf_text_clean(dst, 5, "abcde", 5));
	CHECK_STR(dst, "abcd");
	CHECK(!kf_text_clean(dst, 5, "abc\303\251", 5));
	CHECK_STR(dst, "abc");
	CHECK(kf_text_clean(dst, 1, "", 0));
	CHECK(!kf_text_clean(dst, 1, "a", 1));
	CHECK_STR(dst, "");
}

TEST(length_and_nul_both_end_it)
{
	char dst[8];

	CHECK(kf_text_clean(dst, sizeof(dst), "abc", 2));
	CHECK_STR(dst, "ab");
	CHECK(kf_text_clean(dst, sizeof(dst), "ab\0cd", 5));
	CHECK_STR(dst, "ab");
	CHECK(!kf_text_clean(dst, sizeof(dst), "\303\251", 1)); /* the second byte is not ours */
	CHECK_STR(dst, "?");
}

TEST(cleaning_twice_changes_nothing)
{
	char once[300], twice[300], src[256];

	for (size_t i = 0; i < sizeof(src); i++)
		src[i] = (char)(255 - i);
	kf_text_clean(once, sizeof(once), src, sizeof(src));
	CHECK(kf_text_clean(twice, sizeof(twice), once, strlen(once)));
	CHECK_STR(twice, once);
}

TEST(format_says_if_it_fitted)
{
	char dst[4];

	CHECK(kf_text_format(dst, sizeof(dst), "%d", 123));
	CHECK(!kf_text_format(dst, sizeof(dst), "%d", 1234));
	CHECK_STR(dst, "123");
}

TEST(a_list_takes_whole_words)
{
	char list[8] = "";

	CHECK(kf_text_add(list, sizeof(list), ", ", "abc"));
	CHECK(!kf_text_add(list, sizeof(list), ", ", "def"));
	CHECK_STR(list, "abc");
	CHECK(kf_text_add(list, sizeof(list), ", ", "de"));
	CHECK_STR(list, "abc, de");
}

static void key(const char *name, const char *want)
{
	char got[KF_KEY_SIZE];

	CHECK(kf_key_from_name(name, got) == (want[0] != '\0'));
	CHECK_STR(got, want);
	CHECK(kf_key_valid(got) == (want[0] != '\0'));
}

TEST(keys_from_names)
{
	char longer[101];

	key("Octopus Pro v1.1", "octopus-pro-v1-1");
	key("  --Nitehawk__36.. ", "nitehawk-36");
	key("EBB (SB2209)", "ebb-sb2209");
	key("Gr\303\266\303\237e", "grosse");
	key("T\303\252ti\303\250re", "tetiere");
	key("Te\314\202tie\314\200re", "tetiere"); /* accents of their own, as macOS has them */
	key("\305\201\303\263d\305\272 2", "lodz-2");
	key("a\377b\303", "ab"); /* no UTF-8 */
	key("../../etc", "etc");
	key("", "");
	key("\346\235\277 -_.", "");
	memset(longer, 'a', 100);
	longer[100] = '\0';
	CHECK(kf_key_from_name(longer, (char[KF_KEY_SIZE]){ 0 }));
	longer[63] = ' '; /* the gap would be the last character */
	key(longer, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

TEST(valid_keys)
{
	char key65[66] = { 0 };

	CHECK(kf_key_valid("a"));
	CHECK(kf_key_valid("0_-"));
	CHECK(!kf_key_valid(""));
	CHECK(!kf_key_valid("-a"));
	CHECK(!kf_key_valid("_a"));
	CHECK(!kf_key_valid("A"));
	CHECK(!kf_key_valid("a.b"));
	CHECK(!kf_key_valid("a/b"));
	CHECK(!kf_key_valid("a\n"));
	CHECK(!kf_key_valid("\303\251"));
	memset(key65, 'x', 65);
	CHECK(!kf_key_valid(key65));
	key65[64] = '\0';
	CHECK(kf_key_valid(key65));
}

TEST_MAIN(T(good_text_stays), T(control_characters_go), T(broken_utf8_goes_byte_by_byte),
	  T(size_bounds_bytes_and_cuts_between_characters), T(length_and_nul_both_end_it),
	  T(cleaning_twice_changes_nothing), T(format_says_if_it_fitted),
	  T(a_list_takes_whole_words), T(keys_from_names), T(valid_keys))
