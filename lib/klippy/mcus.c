/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two questions: under which name its configuration has the board, then what that one runs. */
#include <string.h>
#include <sys/stat.h>

#include "core/text.h"
#include "klippy/api.h"
#include "klippy/mcus.h"

/* Does serial name the board's port: by-id, by-path, tty, or another link to it? */
static bool is_port_of(const char *serial, const struct kf_board *board)
{
	struct stat theirs, ours;

	if (!serial || !serial[0])
		return false;
	if (strcmp(serial, board->by_id) == 0 || strcmp(serial, board->by_path) == 0 ||
	    strcmp(serial, board->tty) == 0)
		return true;
	return stat(serial, &theirs) == 0 && stat(board->tty, &ours) == 0 &&
	       S_ISCHR(theirs.st_mode) && theirs.st_rdev == ours.st_rdev;
}

/* The sections "mcu" and "mcu NAME". */
static bool is_mcu(const char *section)
{
	return strcmp(section, "mcu") == 0 || strncmp(section, "mcu ", 4) == 0;
}

/* The section of the board; NULL: none. */
static const char *find_section(json_t *settings, const struct kf_board *board)
{
	const char *name;
	json_t *section;

	json_object_foreach(settings, name, section)
	{
		if (is_mcu(name) &&
		    is_port_of(json_string_value(json_object_get(section, "serial")), board))
			return name;
	}
	return NULL;
}

bool kf_klippy_has_mcu(json_t *settings, const struct kf_board *board)
{
	return find_section(settings, board);
}

bool kf_klippy_links_only(json_t *settings)
{
	static const char links[] = "/dev/serial/by-";
	const char *name, *serial;
	json_t *section;
	struct stat st;

	json_object_foreach(settings, name, section)
	{
		serial = json_string_value(json_object_get(section, "serial"));
		if (!is_mcu(name) || !serial)
			continue;
		if (strncmp(serial, links, strlen(links)) != 0 || stat(serial, &st) < 0)
			return false;
	}
	return true;
}

/* One member of one of its objects. */
static int query(const struct kf_klippy *klippy, const char *object, const char *member,
		 int64_t deadline_ms, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *params =
		json_pack("{s:{s:[s]}}", "objects", object, member);

	return kf_api_request(klippy->api, klippy->pid, "objects/query", params, deadline_ms, ret,
			      err);
}

int kf_klippy_version(const struct kf_klippy *klippy, const struct kf_board *board,
		      int64_t deadline_ms, char ret[KF_NAME_SIZE], struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *config = NULL;
	_cleanup_(kf_json_decrefp) json_t *answer = NULL;
	const char *name, *version;
	json_t *status;
	int r;

	if (!klippy->api[0])
		return kf_fail(err, KF_PRINTER_UNKNOWN, "Klippy has no API socket (-a)");
	r = query(klippy, "configfile", "settings", deadline_ms, &config, err);
	if (r < 0)
		return r;
	status = json_object_get(config, "status");
	name = find_section(json_object_get(json_object_get(status, "configfile"), "settings"),
			    board);
	if (!name)
		return kf_fail(err, KF_PRINTER_UNKNOWN, "no MCU of Klippy has the serial port %s",
			       board->tty);
	r = query(klippy, name, "mcu_version", deadline_ms, &answer, err);
	if (r < 0)
		return r;
	status = json_object_get(json_object_get(answer, "status"), name);
	version = json_string_value(json_object_get(status, "mcu_version"));
	if (!version || !version[0])
		return kf_fail(err, KF_PRINTER_UNKNOWN, "Klippy does not tell what %s runs",
			       board->tty);
	kf_text_clean(ret, KF_NAME_SIZE, version, strlen(version));
	return 0;
}
