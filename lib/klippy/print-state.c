/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A word that we do not know is never read as "idle". */
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "klippy/api.h"
#include "klippy/print-state.h"
#include "klippy/sources.h"

/* Before Klippy listens there is nothing to wait for: it is asked again every AGAIN_MS. */
enum { SOURCE_MS = 3000, AGAIN_MS = 100 };

static bool one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

static bool is_down(const char *state)
{
	static const char *const down[] = { "startup", "shutdown", "error", NULL };

	return one_of(state, down);
}

bool kf_print_state_read_info(const json_t *info, struct kf_print_state *ret)
{
	const char *state = kf_json_text(info, "state");

	if (strcmp(state, "ready") == 0)
		return false;
	*ret = (struct kf_print_state){ is_down(state) ? KF_PRINT_DOWN : KF_PRINT_UNCLEAR, "", -1 };
	return true;
}

/* The state by print_stats. KF_PRINT_UNCLEAR: without a virtual SD card, or an unknown word. */
static enum kf_print of_file(const json_t *stats, const json_t *sd)
{
	static const char *const over[] = { "standby", "complete", "cancelled", "error", NULL };
	const char *state = kf_json_text(stats, "state");

	if (strcmp(state, "printing") == 0 || json_is_true(json_object_get(sd, "is_active")))
		return KF_PRINT_FILE;
	if (strcmp(state, "paused") == 0)
		return KF_PRINT_FILE_PAUSED;
	return one_of(state, over) ? KF_PRINT_IDLE : KF_PRINT_UNCLEAR;
}

static enum kf_print of_gcode(const json_t *timeout)
{
	static const char *const still[] = { "Idle", "Ready", NULL };
	const char *state = kf_json_text(timeout, "state");

	if (strcmp(state, "Printing") == 0)
		return KF_PRINT_STREAM;
	return one_of(state, still) ? KF_PRINT_IDLE : KF_PRINT_UNCLEAR;
}

static bool is_absent(const json_t *obj)
{
	return !obj || (json_is_object(obj) && json_object_size(obj) == 0);
}

static enum kf_print read_print(const json_t *status)
{
	const json_t *stats = json_object_get(status, "print_stats"),
		     *timeout = json_object_get(status, "idle_timeout"),
		     *webhooks = json_object_get(status, "webhooks");
	enum kf_print file, gcode;

	if (is_down(kf_json_text(webhooks, "state")))
		return KF_PRINT_DOWN;
	file = of_file(stats, json_object_get(status, "virtual_sdcard"));
	if (file == KF_PRINT_FILE || file == KF_PRINT_FILE_PAUSED)
		return file;
	gcode = of_gcode(timeout);
	if (gcode == KF_PRINT_STREAM)
		return gcode;
	if (json_is_true(json_object_get(json_object_get(status, "pause_resume"), "is_paused")))
		return KF_PRINT_STREAM_PAUSED;
	if (strcmp(kf_json_text(webhooks, "state"), "ready") != 0)
		return KF_PRINT_UNCLEAR;
	/* A printer may lack one of the two (no virtual SD card), but not both. */
	if (file == KF_PRINT_UNCLEAR && is_absent(stats))
		return gcode;
	if (gcode == KF_PRINT_UNCLEAR && is_absent(timeout))
		return file;
	return file == KF_PRINT_IDLE ? gcode : file;
}

void kf_print_state_read(const json_t *status, struct kf_print_state *ret)
{
	const json_t *stats = json_object_get(status, "print_stats"),
		     *progress =
			     json_object_get(json_object_get(status, "virtual_sdcard"), "progress");
	const char *file = kf_json_text(stats, "filename");
	double done = json_is_number(progress) ? json_number_value(progress) : -1;

	*ret = (struct kf_print_state){ .state = read_print(status), .percent = -1 };
	KF_CLEAN(ret->file, file);
	if (done >= 0 && done <= 1)
		ret->percent = (int)(done * 100);
}

json_t *kf_print_state_objects(void)
{
	return json_pack("{s:n, s:n, s:n, s:n, s:n}", "print_stats", "virtual_sdcard",
			 "pause_resume", "idle_timeout", "webhooks");
}

const char *kf_print_name(enum kf_print print)
{
	static const char *const names[] = {
		[KF_PRINT_FILE] = "printing",
		[KF_PRINT_FILE_PAUSED] = "paused",
		[KF_PRINT_STREAM] = "running G-code",
		[KF_PRINT_STREAM_PAUSED] = "paused",
	};

	return print < KF_ARRAY_SIZE(names) ? names[print] : NULL;
}

bool kf_print_state_text(const struct kf_print_state *print, char *ret, size_t size)
{
	bool file = print->state == KF_PRINT_FILE || print->state == KF_PRINT_FILE_PAUSED;
	const char *name = kf_print_name(print->state);
	char progress[32] = "";

	if (!name)
		return false;
	if (file && print->percent >= 0)
		kf_text_format(progress, sizeof(progress), ", %d %% done", print->percent);
	kf_text_format(ret, size, "%s%s%s%s", name, file && print->file[0] ? " " : "",
		       file ? print->file : "", progress);
	return true;
}

static int ask_print(struct kf_source *source, const json_t *info, void *arg, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *objects = NULL;
	_cleanup_(kf_json_decrefp) json_t *status = NULL;
	struct kf_print_state *ret = arg;
	int r;

	if (!kf_print_state_read_info(info, ret)) {
		objects = kf_print_state_objects();
		r = kf_source_query(source, objects, &status, err);
		if (r < 0)
			return r;
		kf_print_state_read(status, ret);
	}
	if (ret->state == KF_PRINT_UNCLEAR)
		return kf_fail(err, KF_PRINTER_UNKNOWN, "an answer without a print state");
	return 0;
}

int kf_print_state_ask(const struct kf_klippy *klippy, int64_t deadline_ms,
		       struct kf_print_state *ret, struct kf_error *err)
{
	struct kf_print_state print = { 0 };
	int r = kf_sources_try(klippy, SOURCE_MS, deadline_ms, ask_print, &print, err);

	if (r == 0)
		*ret = print;
	return r;
}

/* The state, and what it says of that up to the first line's end. */
static bool read_state(const json_t *info, char ret[KF_NAME_SIZE])
{
	const char *state = json_string_value(json_object_get(info, "state"));
	const char *why = json_string_value(json_object_get(info, "state_message"));
	char text[2 * KF_NAME_SIZE];

	if (!state)
		return false;
	if (strcmp(state, "ready") == 0 || !why)
		why = "";
	kf_text_format(text, sizeof(text), "%.32s%s%.*s", state, *why ? ": " : "",
		       (int)strcspn(why, "\n"), why);
	kf_text_clean(ret, KF_NAME_SIZE, text, strlen(text));
	return true;
}

bool kf_klippy_ready(const struct kf_klippy *klippy, int64_t deadline_ms, char ret[KF_NAME_SIZE])
{
	bool told = false;
	int64_t now_ms;

	while (klippy->api[0]) {
		_cleanup_(kf_json_decrefp) json_t *info = NULL;

		now_ms = kf_now_ms();
		if (kf_api_request(klippy->api, klippy->pid, "info", NULL, now_ms + SOURCE_MS,
				   &info, NULL) == 0)
			told = read_state(info, ret) || told;
		if (told && strncmp(ret, "startup", 7) != 0)
			return true;
		if (now_ms >= deadline_ms || kf_wait(NULL, 0, now_ms + AGAIN_MS) < 0)
			break;
	}
	return told && !kf_stop_signal();
}
