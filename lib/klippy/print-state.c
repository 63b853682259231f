/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Klippy's socket is known by the process that listens there; what Moonraker tells, by the
 * process_id in its answer (Klipper has it since July 2023). A Moonraker that is not connected
 * knows nothing of a Klippy that runs: that is no answer.
 *
 * A word that we do not know is never read as "idle".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"
#include "klippy/api.h"
#include "klippy/print-state.h"

/* Before Klippy listens there is nothing to wait for: it is asked again every AGAIN_MS. */
enum { SOURCE_MS = 3000, CONF_MAX = 1 << 18, AGAIN_MS = 100 };

static const char *text(const json_t *obj, const char *name)
{
	const char *value = json_string_value(json_object_get(obj, name));

	return value ? value : "";
}

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
	const char *state = text(info, "state");

	if (strcmp(state, "ready") == 0)
		return false;
	*ret = (struct kf_print_state){ is_down(state) ? KF_PRINT_DOWN : KF_PRINT_UNCLEAR, "", -1 };
	return true;
}

/* print_stats: printing, paused, not, or (without a virtual SD card, or not a word) doubt. */
static enum kf_print of_file(const json_t *stats, const json_t *sd)
{
	static const char *const over[] = { "standby", "complete", "cancelled", "error", NULL };
	const char *state = text(stats, "state");

	if (strcmp(state, "printing") == 0 || json_is_true(json_object_get(sd, "is_active")))
		return KF_PRINT_FILE;
	if (strcmp(state, "paused") == 0)
		return KF_PRINT_FILE_PAUSED;
	return one_of(state, over) ? KF_PRINT_IDLE : KF_PRINT_UNCLEAR;
}

static enum kf_print of_gcode(const json_t *timeout)
{
	static const char *const still[] = { "Idle", "Ready", NULL };
	const char *state = text(timeout, "state");

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

	if (is_down(text(webhooks, "state")))
		return KF_PRINT_DOWN;
	file = of_file(stats, json_object_get(status, "virtual_sdcard"));
	if (file == KF_PRINT_FILE || file == KF_PRINT_FILE_PAUSED)
		return file;
	gcode = of_gcode(timeout);
	if (gcode == KF_PRINT_STREAM)
		return gcode;
	if (json_is_true(json_object_get(json_object_get(status, "pause_resume"), "is_paused")))
		return KF_PRINT_STREAM_PAUSED;
	if (strcmp(text(webhooks, "state"), "ready") != 0)
		return KF_PRINT_UNCLEAR;
	/* A printer may lack one of the two (no virtual SD card), but not both. */
	if (file == KF_PRINT_UNCLEAR && is_absent(stats))
		return gcode;
	if (gcode == KF_PRINT_UNCLEAR && is_absent(timeout))
		return file;
	return file == KF_PRINT_IDLE ? gcode : file;
}

void kf_print_state_read(const json_t *result, struct kf_print_state *ret)
{
	const json_t *status = json_object_get(result, "status"),
		     *stats = json_object_get(status, "print_stats"),
		     *progress =
			     json_object_get(json_object_get(status, "virtual_sdcard"), "progress");
	const char *file = text(stats, "filename");
	double done = json_is_number(progress) ? json_number_value(progress) : -1;

	*ret = (struct kf_print_state){ .state = read_print(status), .percent = -1 };
	kf_text_clean(ret->file, sizeof(ret->file), file, strlen(file));
	if (done >= 0 && done <= 1)
		ret->percent = (int)(done * 100);
}

/* Klippy itself, or the Moonraker that speaks of it. */
struct source {
	const struct kf_klippy *klippy;
	unsigned port; /* Moonraker's, over HTTP; 0: Klippy's own socket */
	int64_t deadline_ms;
};

static int request(const struct source *source, const char *method, json_t *params,
		   const char *target, json_t **ret, struct kf_error *err)
{
	const struct kf_klippy *klippy = source->klippy;

	if (source->port)
		return kf_api_get(source->port, target, source->deadline_ms, ret, err);
	return kf_api_request(klippy->api, klippy->pid, method, params, source->deadline_ms, ret,
			      err);
}

/* A socket says which process listens there; Moonraker has to name the one that it speaks of. */
static int check_process(const struct source *source, const json_t *info, struct kf_error *err)
{
	const json_t *pid = json_object_get(info, "process_id");

	if (!source->port ||
	    (json_is_integer(pid) && json_integer_value(pid) == source->klippy->pid))
		return 0;
	if (!json_is_integer(pid))
		return kf_fail(err, KF_PRINTER_UNKNOWN,
			       "http://127.0.0.1:%u does not say the process of its Klippy",
			       source->port);
	return kf_fail(err, KF_PRINTER_UNKNOWN,
		       "http://127.0.0.1:%u is of another Klippy, process %lld", source->port,
		       (long long)json_integer_value(pid));
}

/* Its configuration; or else its state, *ret_status stays NULL unless that is "ready". */
static int ask_source(const struct source *source, bool settings, json_t **ret_info,
		      json_t **ret_status, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *info = NULL;
	_cleanup_(kf_json_decrefp) json_t *params = NULL;
	int r = request(source, "info", NULL, "/printer/info", &info, err);

	if (r == 0)
		r = check_process(source, info, err);
	if (r == 0 && settings) {
		params = json_pack("{s:{s:[s]}}", "objects", "configfile", "settings");
		r = request(source, "objects/query", params,
			    "/printer/objects/query?configfile=settings", ret_status, err);
	} else if (r == 0 && strcmp(text(info, "state"), "ready") == 0) {
		params = json_pack("{s:{s:n, s:n, s:n, s:n, s:n}}", "objects", "print_stats",
				   "virtual_sdcard", "pause_resume", "idle_timeout", "webhooks");
		r = request(source, "objects/query", params,
			    "/printer/objects/query?print_stats&virtual_sdcard&pause_resume&"
			    "idle_timeout&webhooks",
			    ret_status, err);
	}
	if (r == 0)
		*ret_info = TAKE_PTR(info);
	return r;
}

unsigned kf_moonraker_port(const char *conf)
{
	_cleanup_(kf_freep) char *text = NULL;
	unsigned long port = KF_MOONRAKER_PORT;
	bool server = false;
	char *save = NULL, *end;
	size_t len;

	if (kf_file_read(conf, CONF_MAX, &text, &len, NULL) < 0)
		return 0;
	for (char *line = strtok_r(text, "\r\n", &save); line;
	     line = strtok_r(NULL, "\r\n", &save)) {
		if (*line == '[')
			server = strncmp(line, "[server]", 8) == 0;
		if (!server || strncmp(line, "port", 4) != 0)
			continue;
		line += 4 + strspn(line + 4, " \t");
		if (*line != ':' && *line != '=')
			continue;
		port = strtoul(line + 1, &end, 10);
		if (end == line + 1 || port == 0 || port > UINT16_MAX)
			port = KF_MOONRAKER_PORT;
	}
	return (unsigned)port;
}

/* By the first configuration of its that is beside Klippy. */
static unsigned find_moonraker(const struct kf_klippy *klippy)
{
	char conf[PATH_MAX];
	unsigned port = 0;

	for (size_t i = 0; i < klippy->folder_count && !port; i++)
		if (kf_text_format(conf, sizeof(conf), "%s/config/moonraker.conf",
				   klippy->folders[i]))
			port = kf_moonraker_port(conf);
	return port ? port : KF_MOONRAKER_PORT;
}

/*
 * Klippy itself, else the Moonraker beside it: that one answers where Klippy's socket is another
 * user's. It has a socket too, of the same user.
 */
static int ask(const struct kf_klippy *klippy, bool settings, int64_t deadline_ms,
	       json_t **ret_info, json_t **ret_status, struct kf_error *err)
{
	struct source source = { .klippy = klippy };
	struct kf_error own = { 0 }, moonraker = { 0 };
	int r = 0;

	if (klippy->api[0]) {
		source.deadline_ms = MIN(kf_now_ms() + SOURCE_MS, deadline_ms);
		r = ask_source(&source, settings, ret_info, ret_status, &own);
		if (r == 0)
			return 0;
	}
	if (r != -EINTR) {
		source.port = find_moonraker(klippy);
		source.deadline_ms = MIN(kf_now_ms() + SOURCE_MS, deadline_ms);
		r = ask_source(&source, settings, ret_info, ret_status, &moonraker);
	}
	if (r == -EINTR)
		return kf_fail_stopped(err);
	return r == 0 ? 0
		      : kf_fail(err, KF_PRINTER_UNKNOWN, "%s%s%s", own.message,
				own.message[0] ? "; " : "", moonraker.message);
}

int kf_print_state_ask(const struct kf_klippy *klippy, int64_t deadline_ms,
		       struct kf_print_state *ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *info = NULL;
	_cleanup_(kf_json_decrefp) json_t *status = NULL;
	struct kf_print_state print;
	int r = ask(klippy, false, deadline_ms, &info, &status, err);

	if (r < 0)
		return r;
	if (!kf_print_state_read_info(info, &print))
		kf_print_state_read(status, &print);
	if (print.state == KF_PRINT_UNCLEAR)
		return kf_fail(err, KF_PRINTER_UNKNOWN, "an answer without a print state");
	*ret = print;
	return 0;
}

int kf_klippy_settings(const struct kf_klippy *klippy, int64_t deadline_ms, json_t **ret,
		       struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *info = NULL;
	_cleanup_(kf_json_decrefp) json_t *answer = NULL;
	json_t *settings;
	int r = ask(klippy, true, deadline_ms, &info, &answer, err);

	if (r < 0)
		return r;
	settings = json_object_get(json_object_get(json_object_get(answer, "status"), "configfile"),
				   "settings");
	/* Every configuration that a Klippy runs with has an [mcu]: without, none is read yet. */
	if (!json_is_object(json_object_get(settings, "mcu")))
		return kf_fail(err, KF_PRINTER_UNKNOWN, "does not tell its configuration");
	*ret = json_incref(settings);
	return 0;
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
