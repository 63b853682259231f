/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading, checking and writing records. What we know of a record is one table of
 * paths and types, the same as in kf-record.schema.json (a test compares the two).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "board/record.h"
#include "core/text.h"
#include "terminal/log.h"

enum { LOST_MAX = 64 };	   /* numbers of a line that cannot be kept; one with more is refused */
enum { STATUS_MIXED = 1 }; /* boards failed for different reasons, or some did well */
enum type { STRING, HASH, BOOLEAN, COUNT, NUMBER, LIST, TEXT_LIST, TEXT_OBJECTS };

/* Members of the stages' objects. All may be absent or null. */
static const struct {
	const char *object, *member;
	enum type type;
} members[] = {
	{ "config", "path", STRING },
	{ "config", "sha256", HASH },
	{ "config", "mcu", STRING },
	{ "config", "start", COUNT },
	{ "config", "comm", STRING },
	{ "firmware", "path", STRING },
	{ "firmware", "format", STRING },
	{ "firmware", "bytes", COUNT },
	{ "firmware", "sha256", HASH },
	{ "firmware", "version", STRING },
	{ "firmware", "mcu", STRING },
	{ "firmware", "start", COUNT },
	{ "firmware", "reused", BOOLEAN },
	{ "firmware", "seconds", NUMBER },
	{ "flash", "result", STRING },
	{ "flash", "reason", STRING },
	{ "flash", "method", STRING },
	{ "flash", "verified", TEXT_LIST },
	{ "flash", "seconds", NUMBER },
	{ "flash", "version_before", STRING },
	{ "flash", "version_after", STRING },
	{ "flash", "attempts", LIST },
	{ "config", "proved_version", STRING },
	{ "config", "proved_time", STRING },
	{ "read", "path", STRING },
	{ "read", "bytes", COUNT },
	{ "read", "sha256", HASH },
	{ "read", "start", COUNT },
	{ "read", "mcu", STRING },
	{ "read", "version", STRING },
	{ "read", "seconds", NUMBER },
	{ "error", "log", STRING },
	{ "status", "state", STRING },
	{ "status", "reason", STRING },
	{ "status", "version", STRING },
	{ "status", "tree", STRING },
	{ "status", "other_mcu", STRING },
	{ "status", "tree_version", STRING },
	{ "status", "behind", COUNT },
	{ "status", "ahead", COUNT },
	{ "status", "host", STRING },
	{ "status", "host_version", STRING },
	{ "status", "host_state", STRING },
	{ "status", "host_behind", COUNT },
	{ "status", "host_print", STRING },
	{ "status", "host_print_file", STRING },
	{ "status", "host_print_percent", COUNT },
	{ "status", "problems", TEXT_OBJECTS },
	{ "error", "tool", STRING },
	{ "error", "code", STRING },
	{ "error", "message", STRING },
	{ "error", "hint", STRING },
};

static bool is_hash(const char *s)
{
	return strlen(s) == KF_HEX_SIZE - 1 && strspn(s, "0123456789abcdef") == KF_HEX_SIZE - 1;
}

/* A string is clean if we have written it. */
static bool is_text(const json_t *value)
{
	char buf[4096];

	return json_is_string(value) &&
	       kf_text_clean(buf, sizeof(buf), json_string_value(value),
			     json_string_length(value)) &&
	       strlen(buf) == json_string_length(value);
}

static bool is_text_object(const json_t *value)
{
	const char *name;
	json_t *member;

	if (!json_is_object(value))
		return false;
	/* jansson's iterator wants an object that may be changed; it changes nothing. */
	json_object_foreach((json_t *)value, name, member) {
		if (!json_is_null(member) && !is_text(member))
			return false;
	}
	return true;
}

static bool is_list_of(const json_t *value, bool (*is)(const json_t *))
{
	const json_t *item;
	size_t i;

	if (!json_is_array(value))
		return false;
	json_array_foreach(value, i, item) {
		if (!is(item))
			return false;
	}
	return true;
}

static bool fits(const json_t *value, enum type type)
{
	switch (type) {
	case STRING:
		return is_text(value);
	case HASH:
		return json_is_string(value) && is_hash(json_string_value(value));
	case BOOLEAN:
		return json_is_boolean(value);
	case COUNT:
		return json_is_integer(value) && json_integer_value(value) >= 0 &&
		       json_integer_value(value) <= UINT32_MAX;
	case NUMBER:
		return json_is_number(value) && json_number_value(value) >= 0;
	case LIST:
		return json_is_array(value);
	case TEXT_LIST:
		return is_list_of(value, is_text);
	case TEXT_OBJECTS:
		return is_list_of(value, is_text_object);
	}
	return false;
}

static int check_members(const json_t *record, struct kf_error *err)
{
	static const char *const wants[] = {
		[STRING] = "a clean string",
		[HASH] = "a SHA-256 in hex",
		[BOOLEAN] = "true or false",
		[COUNT] = "a number of 32 bits",
		[NUMBER] = "a number from 0 on",
		[LIST] = "a list",
		[TEXT_LIST] = "a list of clean strings",
		[TEXT_OBJECTS] = "a list of objects with clean strings",
	};
	const json_t *object, *value;

	for (size_t i = 0; i < KF_ARRAY_SIZE(members); i++) {
		object = json_object_get(record, members[i].object);
		if (!object || json_is_null(object))
			continue;
		if (!json_is_object(object))
			return kf_fail(err, KF_BAD_RECORD, "%s is not an object",
				       members[i].object);
		value = json_object_get(object, members[i].member);
		if (value && !json_is_null(value) && !fits(value, members[i].type))
			return kf_fail(err, KF_BAD_RECORD, "%s.%s is not %s", members[i].object,
				       members[i].member, wants[members[i].type]);
	}
	return 0;
}

int kf_record_validate(const json_t *record, struct kf_error *err)
{
	const json_t *version = json_object_get(record, "kf");
	struct kf_board board;
	int r;

	if (!json_is_object(record) || !json_is_integer(version) || json_integer_value(version) < 1)
		return kf_fail(err, KF_BAD_RECORD, "not a record: no \"kf\" version in it");
	if (json_integer_value(version) > KF_RECORD_VERSION)
		return kf_fail(err, KF_NEWER_RECORD,
			       "a record of version %" JSON_INTEGER_FORMAT ", this tool knows %d",
			       json_integer_value(version), KF_RECORD_VERSION);
	r = kf_record_board(record, &board, err);
	return r < 0 ? r : check_members(record, err);
}

/*
 * Load a line. Each number that jansson cannot keep (je.position is where it ends) becomes null,
 * and the line is loaded again. first gets the beginning of the first such number; empty: there is
 * none.
 */
static json_t *load(char *line, size_t len, char *first, size_t size, json_error_t *je)
{
	static const char null_text[] = { 'n', 'u', 'l', 'l' }, number[] = "0123456789+-.eE";
	json_t *record = NULL;
	size_t at, n;

	first[0] = '\0';
	for (unsigned lost = 0; !record && lost <= LOST_MAX; lost++) {
		record = json_loadb(line, len, JSON_REJECT_DUPLICATES, je);
		if (record || json_error_code(je) != json_error_numeric_overflow)
			break;
		at = (size_t)je->position;
		while (at > 0 && line[at - 1] && strchr(number, line[at - 1]))
			at--;
		n = (size_t)je->position - at;
		if (!first[0])
			kf_text_format(first, size, "%.*s%s", (int)(n > 24 ? 24 : n), line + at,
				       n > 24 ? "..." : "");
		memset(line + at, ' ', n);
		memcpy(line + at, null_text, sizeof(null_text));
	}
	return record;
}

/* If the line lost a number, its board has failed, unless an earlier stage has failed it. */
static void note_lost(const struct kf_reader *reader, json_t *record, const char *number)
{
	const json_t *board = json_object_get(record, "board");
	struct kf_error err;

	if (!number[0] || kf_record_failed(record))
		return;
	kf_fail(&err, KF_BAD_RECORD,
		"line %u of standard input: the number %s is too large: it is null now",
		reader->line, number);
	kf_error_hint(&err, "integers have 64 bits, other numbers are doubles");
	kf_record_set_error(record, kf_log_tool(), &err);
	if (reader->lost)
		reader->lost(json_string_value(json_object_get(board, "key")), &err);
}

static int parse(const struct kf_reader *reader, char *line, size_t len, json_t **ret,
		 struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *record = NULL;
	char lost[28];
	json_error_t je;
	int r;

	record = load(line, len, lost, sizeof(lost), &je);
	if (!record)
		return kf_fail(err, KF_BAD_RECORD, "%s (column %d)", je.text, je.column);
	r = kf_record_validate(record, err);
	if (r < 0)
		return r;
	note_lost(reader, record, lost);
	*ret = TAKE_PTR(record);
	return 1;
}

/*
 * One line of at most KF_RECORD_MAX bytes, without its newline, NUL-terminated in buf
 * (of KF_RECORD_MAX + 1). Returns its length,
 * -ENODATA at the end, -EFBIG, -errno. Bounded, unlike getline(3): input is hostile.
 */
static ssize_t read_line(FILE *in, char *buf)
{
	size_t len = 0;
	int c;

	while ((c = getc(in)) != EOF && c != '\n') {
		if (len == KF_RECORD_MAX)
			return -EFBIG;
		buf[len++] = (char)c;
	}
	if (c == EOF && ferror(in))
		return -(errno ? errno : EIO);
	buf[len] = '\0';
	return c == EOF && len == 0 ? -ENODATA : (ssize_t)len;
}

int kf_record_read(struct kf_reader *reader, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_freep) char *buf = malloc(KF_RECORD_MAX + 1);
	ssize_t len;
	int r;

	if (!buf)
		return kf_fail_sys(err, ENOMEM, "standard input");
	do {
		errno = 0;
		len = read_line(reader->in, buf);
		if (len == -ENODATA)
			return 0;
		reader->line++;
	} while (len >= 0 && strspn(buf, " \t\r") >= (size_t)len);
	if (len == -EFBIG)
		r = kf_fail(err, KF_BAD_RECORD, "over %d bytes", KF_RECORD_MAX);
	else if (len < 0)
		r = kf_fail_sys(err, (int)-len, "cannot read");
	else
		r = parse(reader, buf, (size_t)len, ret, err);
	if (r < 0)
		kf_error_prefix(err, "line %u of standard input", reader->line);
	return r;
}

int kf_record_read_all(FILE *in, kf_record_lost *lost, json_t *records, struct kf_error *err)
{
	struct kf_reader reader = { .in = in, .lost = lost };
	json_t *record = NULL;
	int r;

	if (isatty(fileno(in))) {
		kf_fail(err, KF_USAGE, "no records: standard input is a terminal");
		return kf_error_hint(err, "records come from kf-scan through a pipe");
	}
	while ((r = kf_record_read(&reader, &record, err)) > 0)
		if (json_array_append_new(records, record) < 0)
			return kf_fail_sys(err, ENOMEM, "records");
	return r;
}

int kf_json_digits(const json_t *value)
{
	int most = 15, need;
	const json_t *item;
	const char *key;
	char text[64];
	size_t i;

	if (json_is_real(value)) {
		for (; most < 17; most++) {
			kf_text_format(text, sizeof(text), "%.*g", most, json_real_value(value));
			if (strtod(text, NULL) == json_real_value(value))
				break;
		}
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, item) {
			need = kf_json_digits(item);
			most = need > most ? need : most;
		}
	} else if (json_is_object(value)) {
		json_object_foreach((json_t *)value, key, item) {
			need = kf_json_digits(item);
			most = need > most ? need : most;
		}
	}
	return most;
}

int kf_record_write(FILE *out, const json_t *record, struct kf_error *err)
{
	size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(kf_json_digits(record));

	/* Members that we do not know may hold anything, and U+009B is a CSI to a terminal. */
	if (isatty(fileno(out)))
		flags |= JSON_ENSURE_ASCII;
	errno = 0;
	if (json_dumpf(record, out, flags) < 0 || putc('\n', out) == EOF || fflush(out) == EOF)
		return kf_fail_sys(err, errno ? errno : EIO, "cannot write to standard output");
	return 0;
}

int kf_records_file(int *ret, struct kf_error *err)
{
	int fd = memfd_create("kf-records", MFD_CLOEXEC);

	if (fd < 0)
		return kf_fail_sys(err, errno, "cannot make a file in memory");
	*ret = fd;
	return 0;
}

/* Open one more stream on the file, at its start. */
static FILE *stream(int fd, const char *mode, struct kf_error *err)
{
	int copy = lseek(fd, 0, SEEK_SET) == 0 ? dup(fd) : -1;
	FILE *f = copy >= 0 ? fdopen(copy, mode) : NULL;

	if (!f) {
		kf_fail_sys(err, errno, "records in memory");
		kf_closep(&copy);
	}
	return f;
}

int kf_records_load(int fd, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *list = json_array();
	_cleanup_(kf_fclosep) FILE *in = stream(fd, "r", err);
	int r = in ? kf_record_read_all(in, NULL, list, err) : -EIO;

	if (r == 0)
		*ret = TAKE_PTR(list);
	return r;
}

int kf_records_save(const json_t *records, int *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = -1;
	_cleanup_(kf_fclosep) FILE *out = NULL;
	const json_t *record;
	size_t i;
	int r;

	r = kf_records_file(&fd, err);
	if (r < 0)
		return r;
	out = stream(fd, "w", err);
	if (!out)
		return -EIO;
	json_array_foreach(records, i, record) {
		r = kf_record_write(out, record, err);
		if (r < 0)
			return r;
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		return kf_fail_sys(err, errno, "records in memory");
	*ret = TAKE_FD(fd);
	return 0;
}

json_t *kf_record_new(const struct kf_board *board)
{
	return json_pack("{s:i, s:o, s:n}", "kf", KF_RECORD_VERSION, "board",
			 kf_board_to_json(board), "error");
}

bool kf_record_failed(const json_t *record)
{
	return json_is_object(json_object_get(record, "error"));
}

bool kf_record_skipped(const json_t *record)
{
	const char *result =
		json_string_value(json_object_get(json_object_get(record, "flash"), "result"));

	return result && strcmp(result, "skipped") == 0;
}

void kf_record_set_error(json_t *record, const char *tool, const struct kf_error *err)
{
	json_object_set_new(record, "error",
			    json_pack("{s:s, s:s, s:s, s:s?, s:s?}", "tool", tool, "code",
				      kf_code_name(err->code), "message", err->message, "hint",
				      err->hint[0] ? err->hint : NULL, "log",
				      err->log[0] ? err->log : NULL));
}

void kf_tally_add(struct kf_tally *tally, const struct kf_board *board, enum kf_code code)
{
	int status = code == KF_CODE_COUNT ? STATUS_MIXED : kf_code_status(code);

	if (code == KF_OK)
		tally->well = tally->well || (board->key[0] && !board->excluded);
	else
		tally->status =
			tally->status == EX_OK || tally->status == status ? status : STATUS_MIXED;
}

int kf_tally_status(const struct kf_tally *tally)
{
	bool mixed = tally->status != EX_OK && tally->status != EX_TEMPFAIL && tally->well;

	return mixed ? STATUS_MIXED : tally->status;
}

/* The code of its error, KF_OK if it has none. */
static enum kf_code code_of(const json_t *record)
{
	const char *word =
		json_string_value(json_object_get(json_object_get(record, "error"), "code"));

	if (!kf_record_failed(record))
		return KF_OK;
	return word && strcmp(word, kf_code_name(KF_OK)) != 0 ? kf_code_find(word) : KF_CODE_COUNT;
}

int kf_record_status(const json_t *records)
{
	struct kf_tally tally = { .status = EX_OK };
	struct kf_board board;
	const json_t *record;
	size_t i;

	json_array_foreach(records, i, record) {
		if (kf_record_failed(record) || !kf_record_skipped(record))
			if (kf_record_board(record, &board, NULL) == 0)
				kf_tally_add(&tally, &board, code_of(record));
	}
	return kf_tally_status(&tally);
}

int kf_record_board(const json_t *record, struct kf_board *ret, struct kf_error *err)
{
	return kf_board_from_json(json_object_get(record, "board"), ret, err);
}

bool kf_record_at(const json_t *records, size_t i, struct kf_board *ret)
{
	const json_t *record = json_array_get(records, i);

	return record && kf_record_board(record, ret, NULL) == 0;
}
