/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of errors is whole, and its sentences are clean. */
#include <errno.h>
#include <stdlib.h>

#include "core/error.h"
#include "unit/test.h"

TEST(every_code_is_in_the_table)
{
	for (int c = 0; c < KF_CODE_COUNT; c++) {
		enum kf_code code = (enum kf_code)c;
		int status;

		CHECK(kf_code_name(code) != NULL);
		if (!kf_code_name(code))
			continue;
		status = kf_code_status(code);
		printf("# %s (%d)\n", kf_code_name(code), status); /* tests/manual.bats reads it */
		CHECK(code == KF_OK || kf_code_errno(code) < 0);
		CHECK(code == KF_OK ? status == 0 : status == 1 || (status >= 64 && status <= 78));
		for (int other = 0; other < c; other++)
			CHECK(strcmp(kf_code_name(code), kf_code_name((enum kf_code)other)) != 0);
	}
}

TEST(the_documented_statuses)
{
	static const struct {
		enum kf_code code;
		int status;
	} want[] = {
		{ KF_OK, 0 },	       { KF_USAGE, 64 },
		{ KF_BAD_RECORD, 65 }, { KF_NOTHING_CONNECTED, 69 },
		{ KF_INTERNAL, 70 },   { KF_SERVICE_LOST, 71 },
		{ KF_IO, 74 },	       { KF_BUSY, 75 },
		{ KF_TIMEOUT, 75 },    { KF_PROTOCOL, 76 },
		{ KF_PERMISSION, 77 }, { KF_CONFIG, 78 },
	};

	for (size_t i = 0; i < KF_ARRAY_SIZE(want); i++)
		CHECK(kf_code_status(want[i].code) == want[i].status);
}

TEST(fail_fills_and_cleans)
{
	struct kf_error err = { .log = "old", .hint = "old" };

	CHECK(kf_fail(&err, KF_BUSY, "%s: in use", "tty\033[31m\n") == -EBUSY);
	CHECK(err.code == KF_BUSY);
	CHECK_STR(err.message, "tty?[31m?: in use");
	CHECK(err.hint[0] && strcmp(err.hint, "old") != 0);
	CHECK_STR(err.log, "");
	CHECK(kf_fail(NULL, KF_BUSY, "nobody listens") == -EBUSY);
}

TEST(errno_chooses_the_code)
{
	static const struct {
		int errnum;
		enum kf_code code;
	} want[] = {
		{ EACCES, KF_PERMISSION }, { EPERM, KF_PERMISSION },
		{ EBUSY, KF_BUSY },	   { EAGAIN, KF_BUSY },
		{ ENODEV, KF_GONE },	   { ENXIO, KF_GONE },
		{ ETIMEDOUT, KF_TIMEOUT }, { EINTR, KF_INTERRUPTED },
		{ ENOSPC, KF_IO },	   { EIO, KF_IO },
	};
	struct kf_error err;

	for (size_t i = 0; i < KF_ARRAY_SIZE(want); i++) {
		CHECK(kf_fail_sys(&err, want[i].errnum, "x") == -want[i].errnum);
		CHECK(err.code == want[i].code);
	}
	kf_fail_sys(&err, ENOENT, "%s", "/dev/x");
	CHECK_STR(err.message, "/dev/x: No such file or directory");
	CHECK(kf_fail_sys(NULL, ENOENT, "nobody listens") == -ENOENT);
}

TEST(a_stop_signal_has_one_message)
{
	struct kf_error err;

	CHECK(kf_fail_sys(&err, EINTR, "process %d", 3360) == -EINTR);
	kf_error_prefix(&err, "make");
	CHECK(err.code == KF_INTERRUPTED);
	CHECK_STR(err.message, "stopped by the user's signal");
}

TEST(errors_that_a_user_can_fix_have_a_hint)
{
	struct kf_error err;

	kf_fail_sys(&err, EACCES, "x");
	CHECK(strstr(err.hint, "sudo chown $USER") && strstr(err.hint, "dialout"));
	kf_fail_sys(&err, EROFS, "x");
	CHECK(strstr(err.hint, "writable"));
	kf_fail_sys(&err, ENOSPC, "x");
	CHECK(strstr(err.hint, "df -h"));
	kf_fail_sys(&err, EIO, "x");
	CHECK_STR(err.hint, "");
}

TEST(context_is_added_in_front)
{
	struct kf_error err;

	kf_fail(&err, KF_PROTOCOL, "want ACK, got NACK");
	kf_error_prefix(&err, "block 0x%08x", 0x08021240u);
	kf_error_prefix(&err, "%s", "octopus-pro");
	CHECK_STR(err.message, "octopus-pro: block 0x08021240: want ACK, got NACK");
	CHECK(err.code == KF_PROTOCOL);
	kf_error_hint(&err, "do %s\n", "this");
	CHECK_STR(err.hint, "do this?");
	kf_error_prefix(NULL, "nobody");
	kf_error_hint(NULL, "listens");
}

TEST(too_long_is_cut_not_broken)
{
	char big[4096];
	struct kf_error err;

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	kf_fail_sys(&err, EIO, "%s", big);
	CHECK(strlen(err.message) == sizeof(err.message) - 1);
	kf_error_prefix(&err, "%s", big);
	kf_error_hint(&err, "%s", big);
	CHECK(strlen(err.message) == sizeof(err.message) - 1);
	CHECK(strlen(err.hint) == sizeof(err.hint) - 1);
}

TEST(for_a_board)
{
	struct kf_error err = { 0 };

	kf_fail(&err, KF_TOO_LARGE, "x");
	kf_error_for(&err, "octopus-pro");
	CHECK_STR(err.hint, "leave features out in menuconfig: kf config octopus-pro");
	kf_error_for(&err, "octopus-pro");
	CHECK(!strstr(strstr(err.hint, "kf config") + 1, "kf config"));
	kf_error_hint(&err, "do this");
	kf_error_for(&err, "octopus-pro");
	CHECK_STR(err.hint, "do this");
	kf_error_for(NULL, "octopus-pro");
	kf_error_hint(&err, "kf set KEY mcu=MCU, or kf set KEY programmer=NAME");
	kf_error_for(&err, "");
	CHECK_STR(err.hint, "kf set KEY mcu=MCU, or kf set KEY programmer=NAME");
	kf_error_for(&err, "mega");
	CHECK_STR(err.hint, "kf set mega mcu=MCU, or kf set mega programmer=NAME");
}

/* Is the word in text that a user would type as it stands? */
static bool says_key(const char *text)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	for (const char *at = text; (at = strstr(at, "KEY")); at++)
		if ((at == text || !strchr(letters, at[-1])) && (!at[3] || !strchr(letters, at[3])))
			return true;
	return false;
}

TEST(no_hint_has_the_word_for_a_key)
{
	struct kf_error err;

	CHECK(says_key("kf set KEY") && says_key("KEY: x") && !says_key("KEYS MONKEY KEY_X"));
	for (int c = KF_OK + 1; c < KF_CODE_COUNT; c++) {
		kf_fail(&err, (enum kf_code)c, "x");
		CHECK(!says_key(err.hint));
		kf_error_for(&err, "");
		CHECK(!says_key(err.hint));
		kf_error_for(&err, "octopus-pro");
		CHECK(!says_key(err.hint) && !strchr(err.hint, '%'));
	}
}

TEST_MAIN(T(for_a_board), T(no_hint_has_the_word_for_a_key), T(every_code_is_in_the_table),
	  T(the_documented_statuses), T(fail_fills_and_cleans), T(errno_chooses_the_code),
	  T(a_stop_signal_has_one_message), T(errors_that_a_user_can_fix_have_a_hint),
	  T(context_is_added_in_front), T(too_long_is_cut_not_broken))
