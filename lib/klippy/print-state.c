/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sources, best first. Klippy's socket is known by the process that listens there; what
 * Moonraker tells, by the process_id in its answer (Klipper has it since July 2023). A Moonraker
 * that is not connected knows nothing of a Klippy that runs: that is no answer.
 *
 * A word that we do not know is never read as "idle".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* A way to put the two questions. */
struct source {
	const char *path;  /* of a socket; NULL: HTTP */
	unsigned port;	   /* of HTTP */
	pid_t listener;	   /* as kf_api_request */
	const char *info;  /* method or target that asks for what it is ... */
	const char *query; /* ... and for its objects; HTTP's ends in '?' */
};

struct inquiry {
	const struct kf_klippy *klippy;
	int64_t deadline_ms;
	/* The answer: what it does, or, where that is asked for, the sections of its configuration.
	 */
	struct kf_print_state print;
	bool settings_wanted;
	json_t *settings;
	struct kf_error why; /* of all that did not answer */
};

/*
 * Send method (over HTTP: a target) with objects, as Klippy's API takes them (borrowed; NULL: none)
 * and as Moonraker's HTTP does.
 */
static int request(const struct source *source, const char *method, json_t *objects,
		   const char *http, int64_t deadline_ms, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *params =
		objects ? json_pack("{s:O}", "objects", objects) : NULL;
	char target[256];

	if (source->path)
		return kf_api_request(source->path, source->listener, method, params, deadline_ms,
				      ret, err);
	kf_text_format(target, sizeof(target), "%s%s", method, http);
	return kf_api_get(source->port, target, deadline_ms, ret, err);
}

static int request_print(struct inquiry *inquiry, const struct source *source, int64_t deadline_ms,
			 struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *objects =
		json_pack("{s:n, s:n, s:n, s:n, s:n}", "print_stats", "virtual_sdcard",
			  "pause_resume", "idle_timeout", "webhooks");
	_cleanup_(kf_json_decrefp) json_t *status = NULL;
	int r = request(source, source->query, objects,
			"print_stats&virtual_sdcard&pause_resume&idle_timeout&webhooks",
			deadline_ms, &status, err);

	if (r == 0)
		kf_print_state_read(status, &inquiry->print);
	return r;
}

/* Every configuration that a Klippy runs with has an [mcu]: without, none is read yet. */
static int request_settings(struct inquiry *inquiry, const struct source *source,
			    int64_t deadline_ms, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *objects = json_pack("{s:[s]}", "configfile", "settings");
	_cleanup_(kf_json_decrefp) json_t *answer = NULL;
	int r = request(source, source->query, objects, "configfile=settings", deadline_ms, &answer,
			err);
	json_t *settings = json_object_get(
		json_object_get(json_object_get(answer, "status"), "configfile"), "settings");

	if (r < 0)
		return r;
	if (!json_is_object(json_object_get(settings, "mcu")))
		return kf_fail(err, KF_PRINTER_UNKNOWN, "does not tell its configuration");
	inquiry->settings = json_incref(settings);
	return 0;
}

static int check_subject(const struct inquiry *inquiry, const struct source *source,
			 const json_t *info, struct kf_error *err)
{
	const json_t *pid = json_object_get(info, "process_id");

	if (source->listener ||
	    (json_is_integer(pid) && json_integer_value(pid) == inquiry->klippy->pid))
		return 0;
	if (!json_is_integer(pid))
		return kf_fail(err, KF_PRINTER_UNKNOWN, "does not tell of which process it speaks");
	return kf_fail(err, KF_PRINTER_UNKNOWN, "speaks of another Klippy, process %lld",
		       (long long)json_integer_value(pid));
}

static int query_source(struct inquiry *inquiry, const struct source *source, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *info = NULL;
	int64_t deadline_ms = kf_now_ms() + SOURCE_MS;
	int r;

	if (deadline_ms > inquiry->deadline_ms)
		deadline_ms = inquiry->deadline_ms;
	r = request(source, source->info, NULL, "", deadline_ms, &info, err);
	if (r < 0)
		return r;
	r = check_subject(inquiry, source, info, err);
	if (r == 0 && inquiry->settings_wanted)
		r = request_settings(inquiry, source, deadline_ms, err);
	else if (r == 0 && !kf_print_state_read_info(info, &inquiry->print))
		r = request_print(inquiry, source, deadline_ms, err);
	if (r == 0 && !inquiry->settings_wanted && inquiry->print.state == KF_PRINT_UNCLEAR)
		r = kf_fail(err, KF_PRINTER_UNKNOWN, "an answer that does not tell");
	if (r < 0 && source->path)
		kf_error_prefix(err, "%s", source->path);
	else if (r < 0)
		kf_error_prefix(err, "http://127.0.0.1:%u", source->port);
	return r;
}

/* True: that was the answer, or a signal came. */
static bool is_answered(struct inquiry *inquiry, const struct source *source, int *ret)
{
	struct kf_error err;

	*ret = query_source(inquiry, source, &err);
	if (*ret == 0)
		return true;
	if (inquiry->why.message[0] && *ret != -EINTR) {
		struct kf_error before = inquiry->why;

		kf_fail(&inquiry->why, KF_PRINTER_UNKNOWN, "%s; %s", before.message, err.message);
	} else {
		inquiry->why = err;
	}
	return *ret == -EINTR;
}

static bool server_section(const char *line)
{
	return strncmp(line, "[server]", 8) == 0;
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
			server = server_section(line);
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

static bool moonraker_by_socket(struct inquiry *inquiry, int *ret)
{
	char path[PATH_MAX];
	const struct source source = { .path = path,
				       .info = "printer.info",
				       .query = "printer.objects.query" };

	for (size_t i = 0; i < inquiry->klippy->folder_count; i++)
		if (kf_text_format(path, sizeof(path), "%s/comms/moonraker.sock",
				   inquiry->klippy->folders[i]) &&
		    access(path, F_OK) == 0 && is_answered(inquiry, &source, ret))
			return true;
	return false;
}

static void moonraker_by_http(struct inquiry *inquiry, int *ret)
{
	struct source source = {
		.info = "/printer/info",
		.query = "/printer/objects/query?",
	};
	char conf[PATH_MAX];

	for (size_t i = 0; i < inquiry->klippy->folder_count; i++) {
		if (kf_text_format(conf, sizeof(conf), "%s/config/moonraker.conf",
				   inquiry->klippy->folders[i]))
			source.port = kf_moonraker_port(conf);
		if (source.port)
			break;
	}
	if (!source.port)
		source.port = KF_MOONRAKER_PORT;
	is_answered(inquiry, &source, ret);
}

/* Its own socket, then a Moonraker beside it: by socket, by HTTP. */
static int query_sources(struct inquiry *inquiry, struct kf_error *err)
{
	const struct kf_klippy *klippy = inquiry->klippy;
	const struct source own = { .path = klippy->api,
				    .listener = klippy->pid,
				    .info = "info",
				    .query = "objects/query" };
	int r = 0;

	if (!(klippy->api[0] && is_answered(inquiry, &own, &r)) &&
	    !moonraker_by_socket(inquiry, &r))
		moonraker_by_http(inquiry, &r);
	if (r < 0 && err)
		*err = inquiry->why;
	return r;
}

int kf_print_state_ask(const struct kf_klippy *klippy, int64_t deadline_ms,
		       struct kf_print_state *ret, struct kf_error *err)
{
	struct inquiry inquiry = { .klippy = klippy, .deadline_ms = deadline_ms };
	int r = query_sources(&inquiry, err);

	if (r == 0)
		*ret = inquiry.print;
	return r;
}

int kf_klippy_settings(const struct kf_klippy *klippy, int64_t deadline_ms, json_t **ret,
		       struct kf_error *err)
{
	struct inquiry inquiry = { .klippy = klippy,
				   .deadline_ms = deadline_ms,
				   .settings_wanted = true };
	int r = query_sources(&inquiry, err);

	if (r == 0)
		*ret = inquiry.settings;
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
