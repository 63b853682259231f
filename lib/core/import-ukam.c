/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mcus.ini: [section], then "key: value" lines; what is flashed stands only in shell commands.
 * They are not run and not understood: a by-id name in them tells the board, the words make
 * flash, flashtool and -u tell how it was flashed.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/import.h"
#include "core/text.h"
#include "usb/identity.h"

enum { COMMANDS_MAX = 4096, SECTIONS_MAX = 2 * KF_IMPORT_MAX };

struct section {
	char name[KF_NAME_SIZE];
	char config[KF_NAME_SIZE]; /* config_name; empty: the section's name */
	char host[KF_NAME_SIZE];   /* klipper_section */
	char foreign;		   /* is_klipper_fw: 'f' false, 't' true, 0: not said */
	char commands[COMMANDS_MAX];
	bool truncated;
};

static const char by_id_folder[] = "/dev/serial/by-id/";

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* The next name below /dev/serial/by-id, from *at on. */
static bool next_by_id(const char **at, char ret[KF_DEV_SIZE])
{
	const char *start = strstr(*at, by_id_folder);
	size_t len;

	if (!start)
		return false;
	start += sizeof(by_id_folder) - 1;
	len = strcspn(start, " \t;|&\"')");
	*at = start + len;
	return kf_text_format(ret, KF_DEV_SIZE, "%.*s", (int)len, start);
}

/* The first name that is a board's; a template's "<BOARD_ID>" is none. Empty: there is none. */
static void find_by_id(const struct section *section, char ret[KF_DEV_SIZE])
{
	const char *at = section->commands;
	struct kf_identity id;
	char name[KF_DEV_SIZE];

	ret[0] = '\0';
	while (next_by_id(&at, name)) {
		if (strpbrk(name, "<>"))
			continue;
		if (!*ret || kf_identity_parse(name, &id))
			kf_text_format(ret, KF_DEV_SIZE, "%s", name);
		if (kf_identity_parse(ret, &id))
			return;
	}
}

/* By default, what begins with "mcu" is Klipper's, and so is a section that names none. */
static bool is_klipper(const struct section *section)
{
	if (section->foreign)
		return section->foreign == 't';
	return !section->host[0] || strncmp(section->host, "mcu", 3) == 0;
}

static void spaces_to_underscores(char *text)
{
	for (; *text; text++)
		if (*text == ' ')
			*text = '_';
}

static void leave_without_name(json_t *result, const struct section *section)
{
	const char *commands = section->commands;

	if (strpbrk(commands, "<>"))
		kf_import_leave(result, section->name,
				"its board was never filled in (\"<...>\"): kf add");
	else if (strstr(commands, " -u ") || strstr(commands, "can0"))
		kf_import_leave(result, section->name, "it is on a CAN bus: USB only");
	else if (strstr(commands, "/dev/tty"))
		kf_import_leave(result, section->name,
				"it is named by a port that changes, or is on a UART: if it is on "
				"USB, kf add");
	else
		kf_import_leave(result, section->name,
				"its commands name no board on USB (a Linux process, a card, or "
				"whatever is in DFU)");
}

static void finish(json_t *result, struct section *section)
{
	const char *commands = section->commands;
	bool make = strstr(commands, "make flash") && !strstr(commands, "flashtool");
	char by_id[KF_DEV_SIZE], config[KF_NAME_SIZE];

	if (!section->name[0])
		return;
	find_by_id(section, by_id);
	kf_text_format(config, sizeof(config), "%s",
		       section->config[0] ? section->config : section->name);
	spaces_to_underscores(config);
	if (section->truncated)
		kf_import_leave(result, section->name, "its commands are too long to look through");
	else if (!is_klipper(section))
		kf_import_leave(result, section->name,
				"its firmware is not Klipper's: it is updated by its own tool");
	else if (!*by_id)
		leave_without_name(result, section);
	else if (strstr(commands, " -u "))
		kf_import_leave(result, section->name,
				"it is a bridge to a CAN bus, which has no serial port while "
				"Klipper runs");
	else
		kf_import_take(result, section->name, by_id, make ? "make_flash" : NULL,
			       "config/config.%s", config);
}

static int fail(struct kf_error *err, unsigned line, const char *what, const char *text)
{
	return kf_fail(err, KF_CONFIG, "line %u: %s \"%.40s\": this is no mcus.ini", line, what,
		       text);
}

/* "key: value" or "key=value" of a section. */
static int take_line(struct section *section, char *text, unsigned line, struct kf_error *err)
{
	char *value = strpbrk(text, ":="), *key;
	size_t used = strlen(section->commands);

	if (!value)
		return fail(err, line, "neither a section nor a key:", text);
	*value++ = '\0';
	key = trim(text);
	value = trim(value);
	if (!section->name[0])
		return fail(err, line, "before the first section:", key);
	if (strcmp(key, "flash_command") == 0 || strcmp(key, "quiet_command") == 0 ||
	    strcmp(key, "action_command") == 0)
		section->truncated |= !kf_text_format(
			section->commands + used, sizeof(section->commands) - used, " %s ;", value);
	else if (strcmp(key, "klipper_section") == 0)
		kf_text_clean(section->host, sizeof(section->host), value, strlen(value));
	else if (strcmp(key, "config_name") == 0)
		kf_text_clean(section->config, sizeof(section->config), value, strlen(value));
	else if (strcmp(key, "is_klipper_fw") == 0)
		section->foreign = strcasecmp(value, "false") == 0 ? 'f' : 't';
	else
		return fail(err, line, "an unknown key:", key);
	return 0;
}

static int read_lines(char *text, json_t *result, struct kf_error *err)
{
	struct section section = { 0 };
	unsigned number = 0, sections = 0;
	char *next, *line;
	int r;

	for (; text; text = next) {
		next = strpbrk(text, "\r\n");
		if (next)
			*next++ = '\0';
		number++;
		line = trim(text);
		if (!*line || *line == '#' || strncmp(line, "//", 2) == 0)
			continue;
		if (*line == '[' && line[strlen(line) - 1] == ']') {
			if (++sections > SECTIONS_MAX)
				return fail(err, number, "too many sections:", line);
			finish(result, &section);
			section = (struct section){ 0 };
			line[strlen(line) - 1] = '\0';
			line = trim(line + 1);
			if (!*line)
				return fail(err, number, "a section without", "name");
			kf_text_clean(section.name, sizeof(section.name), line, strlen(line));
			continue;
		}
		r = take_line(&section, line, number, err);
		if (r < 0)
			return r;
	}
	finish(result, &section);
	return sections ? 0 : kf_fail(err, KF_CONFIG, "there is no [section]: this is no mcus.ini");
}

int kf_import_ukam(const char *text, size_t len, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *result = kf_import_new("UKAM");
	_cleanup_(kf_freep) char *copy = strndup(text, len);
	int r;

	if (!result || !copy)
		return kf_fail(err, KF_INTERNAL, "no memory");
	if (strlen(copy) != len)
		return kf_fail(err, KF_CONFIG, "there is a NUL in it: this is no mcus.ini");
	r = read_lines(copy, result, err);
	if (r < 0)
		return r;
	*ret = result;
	result = NULL; /* the caller's now */
	return 0;
}
