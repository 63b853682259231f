/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One small file a board, replaced whole; the history is only ever appended to. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "board/last-flash.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"

enum { FILE_MAX = 4096 };

static void member(const json_t *obj, const char *name, char *dst, size_t size)
{
	const json_t *value = json_object_get(obj, name);

	if (json_is_string(value))
		kf_text_clean(dst, size, json_string_value(value), json_string_length(value));
}

void kf_last_flash_load(const char *key, struct kf_last_flash *ret)
{
	_cleanup_(kf_json_decrefp) json_t *obj = NULL;
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_MAX];
	size_t len;

	memset(ret, 0, sizeof(*ret));
	if (kf_path(KF_DIR_STATE, path, NULL, "boards/%s.json", key) < 0 ||
	    kf_file_read(path, FILE_MAX, &text, &len, NULL) < 0)
		return;
	obj = json_loadb(text, len, 0, NULL);
	member(obj, "version", ret->version, sizeof(ret->version));
	member(obj, "sha256", ret->sha256, sizeof(ret->sha256));
	member(obj, "serial", ret->serial, sizeof(ret->serial));
	member(obj, "port", ret->port, sizeof(ret->port));
	member(obj, "incomplete", ret->incomplete, sizeof(ret->incomplete));
	member(obj, "pending", ret->pending, sizeof(ret->pending));
	member(obj, "pending_sha256", ret->pending_sha256, sizeof(ret->pending_sha256));
	ret->time_s = json_integer_value(json_object_get(obj, "time"));
	ret->took_ms = json_integer_value(json_object_get(obj, "took_ms"));
	ret->tried_s = json_integer_value(json_object_get(obj, "tried"));
	ret->reading = json_is_true(json_object_get(obj, "reading"));
	ret->katapult_start = (uint32_t)json_integer_value(json_object_get(obj, "katapult_start"));
}

int kf_last_flash_save(const char *key, const struct kf_last_flash *last, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *obj = NULL;
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_MAX];
	int r;

	r = kf_path(KF_DIR_STATE, path, err, "boards/%s.json", key);
	if (r < 0)
		return r;
	obj = json_pack("{s:s, s:s, s:s, s:s, s:I}", "version", last->version, "sha256",
			last->sha256, "serial", last->serial, "port", last->port, "time",
			(json_int_t)last->time_s);
	if (last->took_ms > 0)
		json_object_set_new(obj, "took_ms", json_integer((json_int_t)last->took_ms));
	if (last->tried_s > 0)
		json_object_set_new(obj, "tried", json_integer((json_int_t)last->tried_s));
	if (last->katapult_start)
		json_object_set_new(obj, "katapult_start",
				    json_integer((json_int_t)last->katapult_start));
	if (last->pending[0]) {
		json_object_set_new(obj, "pending", json_string(last->pending));
		json_object_set_new(obj, "pending_sha256", json_string(last->pending_sha256));
	}
	if (last->reading)
		json_object_set_new(obj, "reading", json_true());
	if (last->incomplete[0])
		json_object_set_new(obj, "incomplete", json_string(last->incomplete));
	text = json_dumps(obj, JSON_INDENT(2));
	if (!text)
		return kf_fail(err, KF_INTERNAL, "%s: cannot write its last flash as JSON", key);
	return kf_file_write(path, text, strlen(text), err);
}

int kf_last_flash_begin(const struct kf_board *board, struct kf_error *err)
{
	char path[PATH_MAX];
	struct kf_last_flash last;
	int r;

	kf_last_flash_load(board->key, &last);
	if (!last.sha256[0] && !last.pending[0] && strcmp(last.port, board->usb.port) == 0)
		return 0;
	last.sha256[0] = last.pending[0] = '\0';
	KF_COPY(last.port, board->usb.port);
	if (kf_last_flash_save(board->key, &last, NULL) == 0)
		return 0;
	r = kf_path(KF_DIR_STATE, path, err, "boards/%s.json", board->key);
	if (r == 0 && unlink(path) < 0 && errno != ENOENT)
		r = kf_fail_sys(err, errno, "%s: the last flash cannot be removed", path);
	return r;
}

int kf_last_flash_incomplete(const char *key, const char *in, struct kf_error *err)
{
	struct kf_last_flash last;
	int r;

	if (!key[0])
		return 0;
	kf_last_flash_load(key, &last);
	last.version[0] = last.sha256[0] = last.pending[0] = '\0';
	KF_COPY(last.incomplete, in);
	last.tried_s = time(NULL);
	r = kf_last_flash_save(key, &last, err);
	if (r < 0)
		kf_error_prefix(err,
				"nothing was written to the board: its last flash cannot be saved");
	return r;
}

void kf_last_flash_refused(const char *key, uint32_t katapult_start)
{
	struct kf_last_flash last;

	if (!key[0])
		return;
	kf_last_flash_load(key, &last);
	last.katapult_start = katapult_start;
	IGNORE_RESULT(kf_last_flash_save(key, &last, NULL)); /* else it is refused once more */
}

void kf_last_flash_reading(const char *key, bool reading)
{
	struct kf_last_flash last;

	if (!key[0])
		return;
	kf_last_flash_load(key, &last);
	if (last.reading == reading)
		return;
	last.reading = reading;
	IGNORE_RESULT(kf_last_flash_save(key, &last, NULL)); /* else a cut read is not told */
}

/*
 * By kf_mode_name or kf_loader_name. A double click starts Katapult where its Kconfig has
 * ENABLE_DOUBLE_RESET, which is the default.
 */
const char *kf_last_flash_remedy(const char *in)
{
	static const struct {
		const char *in, *remedy;
	} remedies[] = {
		{ "katapult", "double-click its reset button (where it has none, power-cycle it)" },
		{ "dfu", "power-cycle it with its BOOT0 button or jumper held" },
		{ "rp2boot", "power-cycle it with its BOOTSEL button held" },
		{ "sam_rom",
		  "read the log; if kf list shows it as not connected, reset it with its ERASE "
		  "button or jumper held" },
		{ "samd",
		  "read the log; if kf list shows it as not connected, double-click its reset "
		  "button" },
		/* An AVR enters its bootloader at each reset. */
		{ "avr",
		  "read the log; if it says \"not in sync\" or \"not responding\": kf set KEY "
		  "programmer_baud=57600 (older bootloaders) or programmer=NAME, or press its "
		  "reset "
		  "button as avrdude starts" },
		{ KF_LAST_FLASH_SDCARD,
		  "copy it to its SD card by hand (kf build says how) and power-cycle the "
		  "printer" },
	};

	for (size_t i = 0; i < KF_ARRAY_SIZE(remedies); i++)
		if (strcmp(in, remedies[i].in) == 0)
			return remedies[i].remedy;
	return "";
}

void kf_last_flash_next(const struct kf_board *board, const char *command, char *ret, size_t size)
{
	const char *remedy = board->connected ? "" : kf_last_flash_remedy(board->incomplete);

	kf_text_format(ret, size, "%s%srun %s", remedy, remedy[0] ? ", then " : "", command);
	kf_error_put_key(ret, size, board->key);
}

/* Did the board cause this error? Then our hint helps more than the code's own. */
static bool is_caused_by_board(enum kf_code code)
{
	switch (code) {
	case KF_NOTHING_CONNECTED:
	case KF_NOT_CONNECTED:
	case KF_GONE:
	case KF_TIMEOUT:
	case KF_PROTOCOL:
	case KF_NO_KATAPULT:
	case KF_FLASH_FAILED:
	case KF_VERIFY_FAILED:
	case KF_LEFT_IN_BOOTLOADER:
	case KF_WRONG_VERSION:
	case KF_UNVERIFIED:
	case KF_INTERRUPTED:
		return true;
	default:
		return false;
	}
}

void kf_last_flash_hint(const char *in, bool waits, struct kf_error *err)
{
	const char *what = strcmp(in, KF_LAST_FLASH_SDCARD) == 0
				   ? KF_LAST_FLASH_CARD
				   : "the firmware on it is incomplete";
	const char *remedy = waits ? "" : kf_last_flash_remedy(in);
	char message[sizeof(err->message)];

	if (!in[0] || err->code == KF_OK || strstr(err->message, what))
		return;
	kf_text_format(message, sizeof(message), "%s; %s", err->message, what);
	KF_COPY(err->message, message);
	if (waits ? err->code == KF_LEFT_IN_BOOTLOADER : is_caused_by_board(err->code))
		kf_error_hint(err, "%s%srun the same command again", remedy,
			      remedy[0] ? ", then " : "");
}

bool kf_last_flash_explain(const char *key, struct kf_error *err)
{
	struct kf_last_flash last = { 0 };

	if (key[0])
		kf_last_flash_load(key, &last);
	kf_last_flash_hint(last.incomplete, false, err);
	return last.incomplete[0];
}

int kf_history_append(const json_t *record, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *line = NULL;
	_cleanup_(kf_freep) char *text = NULL;
	_cleanup_(kf_closep) int fd = -1;
	char path[PATH_MAX];
	struct iovec iov[2];
	int r;

	r = kf_path(KF_DIR_STATE, path, err, "history.jsonl");
	if (r < 0)
		return r;
	line = json_copy((json_t *)record);
	json_object_set_new(line, "time", json_integer((json_int_t)time(NULL)));
	text = json_dumps(line, JSON_COMPACT);
	if (!text)
		return kf_fail(err, KF_INTERNAL, "cannot write the record as JSON");
	fd = kf_file_log(path, O_APPEND, err);
	if (fd < 0)
		return fd;
	iov[0] = (struct iovec){ text, strlen(text) };
	iov[1] = (struct iovec){ (void *)"\n", 1 };
	if (writev(fd, iov, 2) < 0)
		return kf_fail_sys(err, errno, "%s", path);
	return 0;
}
