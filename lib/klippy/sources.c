/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sources, best first. A Moonraker that is not connected knows nothing of a Klippy that runs:
 * that is no answer.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"
#include "klippy/api.h"
#include "klippy/sources.h"

enum { CONF_MAX = 1 << 18, TARGET_MAX = 1 << 13 };

/* The methods of Klippy's own socket, and the targets of Moonraker's HTTP. */
struct methods {
	const char *info, *query, *list;
};

static const struct methods klippys = { "info", "objects/query", "objects/list" };
static const struct methods https = { "/printer/info", "/printer/objects/query",
				      "/printer/objects/list" };

struct kf_source {
	const struct methods *methods;
	const char *path;   /* of a socket; NULL: HTTP */
	pid_t listener;	    /* as kf_api_open */
	struct kf_api *api; /* the connection to path */
	unsigned port;	    /* of HTTP */
	int64_t deadline_ms;
};

struct search {
	const struct kf_klippy *klippy;
	int64_t source_ms, deadline_ms;
	kf_source_use *use;
	void *arg;
	struct kf_error why; /* of all that did not answer */
};

/* Append a part of a URL's query (RFC 3986, sections 2.1 and 2.3). */
static bool add_encoded(char *dst, size_t size, const char *text)
{
	size_t len = strlen(dst);
	bool fits = true;

	for (; *text && fits; text++) {
		unsigned char c = (unsigned char)*text;

		fits = kf_text_format(dst + len, size - len,
				      isalnum(c) || strchr("-._~", c) ? "%c" : "%%%02X", c);
		len += strlen(dst + len);
	}
	return fits;
}

/* "?print_stats&mcu%20a=app,mcu_version" */
static bool add_objects(char *dst, size_t size, json_t *objects)
{
	const char *name, *separator = "?";
	json_t *members, *member;
	bool fits = true;
	size_t i;

	json_object_foreach(objects, name, members) {
		fits = fits &&
		       kf_text_format(dst + strlen(dst), size - strlen(dst), "%s", separator);
		fits = fits && add_encoded(dst, size, name);
		separator = "=";
		json_array_foreach(members, i, member) {
			fits = fits && kf_text_format(dst + strlen(dst), size - strlen(dst), "%s",
						      separator);
			fits = fits && add_encoded(dst, size, json_string_value(member));
			separator = ",";
		}
		separator = "&";
	}
	return fits;
}

static int request(struct kf_source *source, const char *method, json_t *objects, json_t **ret,
		   struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *params =
		objects ? json_pack("{s:O}", "objects", objects) : NULL;
	char target[TARGET_MAX];

	if (source->path)
		return kf_api_ask(source->api, method, params, ret, err);
	if (!KF_COPY(target, method) || !add_objects(target, sizeof(target), objects))
		return kf_fail(err, KF_PRINTER_UNKNOWN, "names that are too long to ask for");
	return kf_api_get(source->port, target, source->deadline_ms, ret, err);
}

int kf_source_query(struct kf_source *source, json_t *objects, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *answer = NULL;
	json_t *status;
	int r = request(source, source->methods->query, objects, &answer, err);

	if (r < 0)
		return r;
	status = json_object_get(answer, "status");
	if (!json_is_object(status))
		return kf_fail(err, KF_PRINTER_UNKNOWN, "an answer that does not tell");
	*ret = json_incref(status);
	return 0;
}

int kf_source_list(struct kf_source *source, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *answer = NULL;
	json_t *names;
	int r = request(source, source->methods->list, NULL, &answer, err);

	if (r < 0)
		return r;
	names = json_object_get(answer, "objects");
	if (!json_is_array(names))
		return kf_fail(err, KF_PRINTER_UNKNOWN, "an answer that does not tell");
	*ret = json_incref(names);
	return 0;
}

static int check_subject(const struct search *search, const struct kf_source *source,
			 const json_t *info, struct kf_error *err)
{
	const json_t *pid = json_object_get(info, "process_id");

	if (source->listener ||
	    (json_is_integer(pid) && json_integer_value(pid) == search->klippy->pid))
		return 0;
	if (!json_is_integer(pid))
		return kf_fail(err, KF_PRINTER_UNKNOWN, "does not say the process of its Klippy");
	return kf_fail(err, KF_PRINTER_UNKNOWN, "is of another Klippy, process %lld",
		       (long long)json_integer_value(pid));
}

static int try_source(struct search *search, struct kf_source *source, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *info = NULL;
	int r = 0;

	source->deadline_ms = kf_now_ms() + search->source_ms;
	if (source->deadline_ms > search->deadline_ms)
		source->deadline_ms = search->deadline_ms;
	if (source->path)
		r = kf_api_open(source->path, source->listener, source->deadline_ms, &source->api,
				err);
	if (r == 0)
		r = request(source, source->methods->info, NULL, &info, err);
	if (r == 0)
		r = check_subject(search, source, info, err);
	if (r == 0)
		r = search->use(source, info, search->arg, err);
	kf_api_close(&source->api);
	if (r < 0 && source->path)
		kf_error_prefix(err, "%s", source->path);
	else if (r < 0)
		kf_error_prefix(err, "http://127.0.0.1:%u", source->port);
	return r;
}

/* Ask this source. True: it has answered, or a stop signal came. */
static bool is_answered(struct search *search, struct kf_source *source, int *ret)
{
	struct kf_error err;

	*ret = try_source(search, source, &err);
	if (*ret == 0)
		return true;
	if (search->why.message[0] && *ret != -EINTR) {
		struct kf_error before = search->why;

		kf_fail(&search->why, KF_PRINTER_UNKNOWN, "%s; %s", before.message, err.message);
	} else {
		search->why = err;
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

/* Ask Moonraker over HTTP. Its socket, like Klippy's, belongs to the user that runs it. */
static void moonraker_by_http(struct search *search, int *ret)
{
	struct kf_source source = { .methods = &https };
	char conf[PATH_MAX];

	for (size_t i = 0; i < search->klippy->folder_count; i++) {
		if (kf_text_format(conf, sizeof(conf), "%s/config/moonraker.conf",
				   search->klippy->folders[i]))
			source.port = kf_moonraker_port(conf);
		if (source.port)
			break;
	}
	if (!source.port)
		source.port = KF_MOONRAKER_PORT;
	is_answered(search, &source, ret);
}

int kf_sources_try(const struct kf_klippy *klippy, int64_t source_ms, int64_t deadline_ms,
		   kf_source_use *use, void *arg, struct kf_error *err)
{
	struct search search = { klippy, source_ms, deadline_ms, use, arg, { 0 } };
	struct kf_source own = { .methods = &klippys,
				 .path = klippy->api,
				 .listener = klippy->pid };
	int r = 0;

	if (!(klippy->api[0] && is_answered(&search, &own, &r)))
		moonraker_by_http(&search, &r);
	if (r < 0 && err)
		*err = search.why;
	return r;
}
