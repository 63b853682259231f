/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines in, records out; what is wrong is named with its line. */
#include <errno.h>
#include <stdlib.h>

#include "board/record.h"
#include "core/text.h"
#include "unit/test.h"

#define BOARD "{\"kf\":1,\"board\":{\"key\":\"a\"}}"

/* Read all of text; the result of the last read, and how many records came before. */
static int read_all(const char *text, size_t len, unsigned *ret_count, struct kf_error *err)
{
	_cleanup_(kf_fclosep) FILE *in =
		len ? fmemopen((void *)text, len, "r") : fopen("/dev/null", "r");
	struct kf_reader reader = { .in = in };
	json_t *record;
	int r;

	memset(err, 0, sizeof(*err));
	*ret_count = 0;
	while ((r = kf_record_read(&reader, &record, err)) == 1) {
		json_decref(record);
		++*ret_count;
	}
	return r;
}

static void reads(const char *text, unsigned want)
{
	struct kf_error err;
	unsigned count;

	CHECK(read_all(text, strlen(text), &count, &err) == 0);
	CHECK(count == want);
	CHECK_STR(err.message, "");
}

static void refuses(const char *text, int want, const char *message)
{
	struct kf_error err;
	unsigned count;

	CHECK(read_all(text, strlen(text), &count, &err) == want);
	if (!strstr(err.message, message))
		CHECK_STR(err.message, message);
}

TEST(lines_are_records)
{
	reads("", 0);
	reads("\n \r\n\t\n", 0);
	reads(BOARD "\n" BOARD "\n", 2);
	reads("\n" BOARD "\r\n\n" BOARD, 2); /* the last newline may be missing */
}

TEST(a_bad_line_is_named)
{
	refuses("{", -EBADMSG, "line 1 of standard input: ");
	refuses(BOARD "\n\n{\"kf\":1,\"boa", -EBADMSG, "line 3 of standard input: ");
	refuses("[1]\n", -EBADMSG, "not a record");
	refuses("{\"board\":{}}\n", -EBADMSG, "not a record");
	refuses("{\"kf\":1}\n", -EBADMSG, "board is not an object");
	refuses(BOARD BOARD "\n", -EBADMSG, "line 1");
	refuses("{\"kf\":1,\"kf\":1,\"board\":{}}\n", -EBADMSG, "duplicate");
	refuses("{\"kf\":1,\"board\":{\"name\":\"\\u001b\"}}\n", -EBADMSG, "board.name");
	refuses("{\"kf\":1,\"board\":{\"key\":\"../x\"}}\n", -EBADMSG, "board.key");
	refuses("{\"kf\":1,\"board\":{},\"firmware\":{\"bytes\":-1}}\n", -EBADMSG,
		"firmware.bytes");
	refuses("\377\376\n", -EBADMSG, "line 1");
}

TEST(a_newer_version_is_refused)
{
	refuses("{\"kf\":2,\"board\":\"who knows\"}\n", -EPROTONOSUPPORT, "version 2");
	refuses("{\"kf\":0,\"board\":{}}\n", -EBADMSG, "not a record");
}

TEST(nul_in_a_line)
{
	static const char text[] = "{\"kf\":1,\"board\":{}}\0\n";
	struct kf_error err;
	unsigned count;

	CHECK(read_all(text, sizeof(text) - 1, &count, &err) == -EBADMSG);
	CHECK(count == 0);
}

TEST(a_huge_line_is_refused_and_the_largest_is_not)
{
	static const char head[] = "{\"kf\":1,\"board\":{},\"x\":\"", tail[] = "\"}";
	_cleanup_(kf_freep) char *text = malloc(KF_RECORD_MAX + 2);
	size_t fill = KF_RECORD_MAX - strlen(head) - strlen(tail);
	struct kf_error err;
	unsigned count;

	memcpy(text, head, strlen(head));
	memset(text + strlen(head), 'x', fill + 1);
	memcpy(text + strlen(head) + fill, tail, strlen(tail));
	CHECK(read_all(text, KF_RECORD_MAX, &count, &err) == 0);
	CHECK(count == 1);
	memset(text + strlen(head) + fill, 'x', 1);
	memcpy(text + strlen(head) + fill + 1, tail, strlen(tail));
	CHECK(read_all(text, KF_RECORD_MAX + 1, &count, &err) == -EBADMSG);
	CHECK(count == 0);
	CHECK(strstr(err.message, "line 1 of standard input: over 1048576 bytes"));
}

TEST(deep_nesting_is_refused)
{
	_cleanup_(kf_freep) char *text = malloc(KF_RECORD_MAX);
	struct kf_error err;
	unsigned count;

	memset(text, '[', KF_RECORD_MAX);
	CHECK(read_all(text, KF_RECORD_MAX, &count, &err) == -EBADMSG);
}

TEST(unknown_members_pass_through)
{
	static const char line[] =
		"{\"zzz\":[1,2.5,{\"\xc3\xa9\":null}],\"kf\":1,\"board\":{\"new\":7,"
		"\"key\":\"a\"},\"aaa\":\"x\",\"error\":null}\n";
	_cleanup_(kf_fclosep) FILE *in = fmemopen((void *)line, strlen(line), "r");
	_cleanup_(kf_json_decrefp) json_t *record = NULL;
	struct kf_reader reader = { .in = in };
	_cleanup_(kf_freep) char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	CHECK(kf_record_read(&reader, &record, NULL) == 1);
	CHECK(kf_record_write(out, record, NULL) == 0);
	fclose(out);
	CHECK_STR(text, line);
}

/* The line as it is read and written again; *ret_error: its error's message, or "". */
static const char *kept(const char *line, char *ret_error, size_t size)
{
	static char text[4096];
	_cleanup_(kf_fclosep) FILE *in = fmemopen((void *)line, strlen(line), "r");
	_cleanup_(kf_json_decrefp) json_t *record = NULL;
	struct kf_reader reader = { .in = in };
	FILE *out = fmemopen(text, sizeof(text), "w");
	const char *message;

	CHECK(kf_record_read(&reader, &record, NULL) == 1);
	message = json_string_value(json_object_get(json_object_get(record, "error"), "message"));
	snprintf(ret_error, size, "%s", message ? message : "");
	CHECK(kf_record_write(out, record, NULL) == 0);
	fclose(out);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

TEST(a_number_that_cannot_be_kept_fails_its_line)
{
	static const char head[] = "{\"kf\":1,\"board\":{\"key\":\"a\"},\"x\":";
	static const char *const lost[] = { "9223372036854775808", "-9223372036854775809", "1e999",
					    "-1.5E+400", "[1,{\"y\":1e999}]" };
	static const char *const fine[] = {
		"9223372036854775807",
		"-9223372036854775808",
		"0.12345678901234566",
		"1e308",
		"0.0",
		"\"1e999 \\\" 1e999\"",
	};
	char line[1024], error[256];

	for (size_t i = 0; i < KF_ARRAY_SIZE(lost); i++) {
		snprintf(line, sizeof(line), "%s%s}", head, lost[i]);
		CHECK(strstr(kept(line, error, sizeof(error)), "null"));
		CHECK(strstr(error, "line 1 of standard input: the number "));
		CHECK(strstr(error, "is too large: it is null now"));
	}
	for (size_t i = 0; i < KF_ARRAY_SIZE(fine); i++) {
		snprintf(line, sizeof(line), "%s%s}", head, fine[i]);
		CHECK_STR(kept(line, error, sizeof(error)), line);
		CHECK_STR(error, "");
	}
	/* The others go on; what is no JSON stays the whole input's error. */
	reads(BOARD "\n{\"kf\":1,\"board\":{},\"x\":1e999}\n" BOARD "\n", 3);
	refuses("{\"kf\":1,\"board\":{},\"x\":01e999}\n", -EBADMSG, "line 1");
	refuses("{\"kf\":1,\"board\":{},\"x\":+1e999}\n", -EBADMSG, "line 1");
	refuses("{\"kf\":1,\"board\":{},\"x\":1e999", -EBADMSG, "line 1");
	/* A line of nothing else is not read again and again. */
	strcpy(line, "{\"kf\":1,\"board\":{},\"x\":[1e999");
	for (unsigned i = 0; i < 64; i++)
		strcat(line, ",1e999");
	strcat(line, "]}");
	refuses(line, -EBADMSG, "line 1");
	/* An earlier failure is the story that counts. */
	kept("{\"kf\":1,\"board\":{},\"x\":1e999,\"error\":{\"message\":\"earlier\"}}", error,
	     sizeof(error));
	CHECK_STR(error, "earlier");
}

TEST(a_full_disk_is_an_error)
{
	_cleanup_(kf_json_decrefp) json_t *record = kf_record_new(&(struct kf_board){ .key = "a" });
	FILE *out = fopen("/dev/full", "w");
	struct kf_error err = { 0 };

	CHECK(kf_record_write(out, record, &err) == -ENOSPC);
	CHECK(err.code == KF_IO);
	CHECK(kf_code_status(err.code) == 74);
	CHECK(strstr(err.message, "No space left on device"));
	fclose(out);
}

TEST(a_board_that_cannot_be_read_is_an_error)
{
	_cleanup_(kf_fclosep) FILE *in = fopen("/", "r"); /* a folder: EISDIR */
	struct kf_reader reader = { .in = in };
	struct kf_error err = { 0 };
	json_t *record = NULL;

	CHECK(kf_record_read(&reader, &record, &err) == -EISDIR);
	CHECK(record == NULL);
	CHECK(strstr(err.message, "standard input: cannot read: Is a directory"));
}

TEST(an_error_is_kept)
{
	_cleanup_(kf_json_decrefp) json_t *record = kf_record_new(&(struct kf_board){ .key = "a" });
	const json_t *error;
	struct kf_error err;

	CHECK(!kf_record_failed(record));
	CHECK(json_is_null(json_object_get(record, "error")));
	kf_fail(&err, KF_BUSY, "%s is busy", "a\033b");
	kf_record_set_error(record, "kf-flash", &err);
	CHECK(kf_record_failed(record));
	CHECK(kf_record_validate(record, NULL) == 0);
	error = json_object_get(record, "error");
	CHECK_STR(json_string_value(json_object_get(error, "tool")), "kf-flash");
	CHECK_STR(json_string_value(json_object_get(error, "code")), "busy");
	CHECK_STR(json_string_value(json_object_get(error, "message")), "a?b is busy");
	CHECK(json_is_null(json_object_get(error, "log")));
}

/* The status of a run over boards with these words, in one string; "" is a board that did well. */
static int status_of(const char *words)
{
	_cleanup_(kf_json_decrefp) json_t *records = json_array();
	char copy[256], *rest, *word;
	json_t *record;

	kf_text_format(copy, sizeof(copy), "%s", words);
	for (word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		record = json_pack("{s:i, s:{s:s?, s:b, s:b, s:s}, s:n}", "kf", 1, "board", "key",
				   strcmp(word, "stranger") == 0 ? NULL : "k", "excluded",
				   strcmp(word, "excluded") == 0, "connected", 1, "mode", "klipper",
				   "error");
		if (strcmp(word, "skipped") == 0)
			json_object_set_new(record, "flash", json_pack("{s:s}", "result", word));
		else if (strcmp(word, "fine") != 0 && strcmp(word, "stranger") != 0 &&
			 strcmp(word, "excluded") != 0)
			json_object_set_new(record, "error", json_pack("{s:s}", "code", word));
		json_array_append_new(records, record);
	}
	return kf_record_status(records);
}

TEST(the_status_of_a_run_over_boards)
{
	CHECK(status_of("") == 0 && status_of("fine fine") == 0);
	CHECK(status_of("gone") == 69 && status_of("no_config") == 78);
	CHECK(status_of("build_failed") == 1);
	/* Errors of one status with other words; errors of several. */
	CHECK(status_of("no_config no_tree") == 78 && status_of("gone gone") == 69);
	CHECK(status_of("gone no_config") == 1 && status_of("busy gone") == 1);
	CHECK(status_of("gone no_config gone") == 1);
	/* Others did well: some board failed. Those that nobody works for do not count. */
	CHECK(status_of("fine gone") == 1 && status_of("gone fine") == 1);
	CHECK(status_of("stranger gone excluded skipped") == 69);
	/* Trying again is all it takes. */
	CHECK(status_of("busy printing timeout fine") == 75);
	/* A code of a later version, not known here. */
	CHECK(status_of("from_the_future") == 1 && status_of("ok") == 1);
}

TEST_MAIN(T(the_status_of_a_run_over_boards), T(lines_are_records), T(a_bad_line_is_named),
	  T(a_newer_version_is_refused), T(nul_in_a_line),
	  T(a_huge_line_is_refused_and_the_largest_is_not), T(deep_nesting_is_refused),
	  T(a_number_that_cannot_be_kept_fails_its_line), T(unknown_members_pass_through),
	  T(a_full_disk_is_an_error), T(a_board_that_cannot_be_read_is_an_error),
	  T(an_error_is_kept))
