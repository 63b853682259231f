/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One table of members; checking a file and assigning from a command line both walk it. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "board/port.h"
#include "core/paths.h"
#include "core/suggestion.h"
#include "core/text.h"
#include "registry/method.h"
#include "registry/settings.h"

enum kind {
	KIND_TEXT,
	KIND_MCU,
	KIND_PROGRAMMER,
	KIND_PATTERN,
	KIND_METHOD,
	KIND_DIR,
	KIND_PORT,
	KIND_UUID,
	KIND_INTERFACE,
	KIND_DEVICE,
	KIND_BAUD,
	KIND_BOOL,
};

/* The effect of "member=". */
enum reset {
	RESET_REFUSED,
	RESET_DELETE, /* absent is the default */
	RESET_NULL,   /* the Python tool reads the member unconditionally */
};

struct setting {
	const char *name;
	enum kind kind;
	enum reset reset;
};

static const struct setting globals[] = {
	{ "klipper_dir", KIND_DIR, RESET_DELETE },
	{ "katapult_dir", KIND_DIR, RESET_DELETE },
	{ "default_flash_method", KIND_METHOD, RESET_DELETE },
	{ "allow_flash_fallback", KIND_BOOL, RESET_DELETE },
	{ "skip_menuconfig", KIND_BOOL, RESET_DELETE },
	{ NULL, KIND_TEXT, RESET_REFUSED },
};

static const struct setting members_of_device[] = {
	{ "name", KIND_TEXT, RESET_REFUSED },
	{ "mcu", KIND_MCU, RESET_REFUSED },
	{ "serial_pattern", KIND_PATTERN, RESET_REFUSED },
	{ "pattern", KIND_PATTERN, RESET_REFUSED },
	{ "flash_method", KIND_METHOD, RESET_NULL },
	{ "flashable", KIND_BOOL, RESET_DELETE },
	{ "klipper_dir", KIND_DIR, RESET_DELETE },
	{ "usb_port", KIND_PORT, RESET_DELETE },
	{ "canbus_uuid", KIND_UUID, RESET_DELETE },
	{ "canbus_interface", KIND_INTERFACE, RESET_DELETE },
	{ "serial", KIND_DEVICE, RESET_DELETE },
	{ "baud", KIND_BAUD, RESET_DELETE },
	{ "katapult_baud", KIND_BAUD, RESET_DELETE },
	{ "sdcard_board", KIND_TEXT, RESET_DELETE },
	{ "programmer", KIND_PROGRAMMER, RESET_DELETE },
	{ "programmer_part", KIND_MCU, RESET_DELETE },
	{ "programmer_baud", KIND_BAUD, RESET_DELETE },
	{ NULL, KIND_TEXT, RESET_REFUSED },
};

static const struct setting *table_of(enum kf_scope scope)
{
	return scope == KF_SCOPE_GLOBAL ? globals : members_of_device;
}

static const char *type_name(const json_t *value)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
		[JSON_INTEGER] = "a number", [JSON_REAL] = "a number",	[JSON_TRUE] = "true",
		[JSON_FALSE] = "false",	     [JSON_NULL] = "null",
	};

	return names[json_typeof(value)];
}

static bool mcu_valid(const char *text)
{
	return text[strspn(text,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] ==
	       '\0';
}

/* From the slowest rate of Klipper's UARTs to the fastest rate of a converter. */
enum { BAUD_LEAST = 1200, BAUD_MOST = 12000000 };

#define BAUDS "a whole number from 1200 to 12000000"

static bool baud_valid(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= BAUD_LEAST &&
	       json_integer_value(value) <= BAUD_MOST;
}

/* NULL if text is a value of this kind; else a description of such values. */
static const char *wanted(enum kind kind, const char *text)
{
	static const size_t sizes[] = {
		[KIND_TEXT] = KF_NAME_SIZE,
		[KIND_MCU] = 64,
		[KIND_PROGRAMMER] = 64,
		[KIND_PATTERN] = KF_DEV_SIZE,
		[KIND_METHOD] = KF_NAME_SIZE,
		[KIND_DIR] = PATH_MAX,
		[KIND_PORT] = 64,
		[KIND_UUID] = KF_NAME_SIZE,
		[KIND_INTERFACE] = KF_NAME_SIZE,
		[KIND_DEVICE] = KF_DEV_SIZE,
		[KIND_BAUD] = KF_NAME_SIZE,
	};
	char clean[PATH_MAX], uuid[KF_CAN_UUID_SIZE];

	if (!text[strspn(text, " ")] || !kf_text_clean(clean, sizes[kind], text, strlen(text)))
		return "text without control characters, neither empty nor too long";
	switch (kind) {
	case KIND_MCU:
		return mcu_valid(text) ? NULL : "an MCU's name such as stm32h723";
	case KIND_PROGRAMMER:
		return mcu_valid(text) ? NULL : "one of avrdude's programmers such as wiring";
	case KIND_METHOD:
		return kf_method_find(text, NULL) ? NULL : KF_METHODS;
	case KIND_DIR:
		return text[0] == '/' || text[0] == '~' ? NULL : "a path from / or ~";
	case KIND_PORT:
		return kf_usb_port_valid(text) ? NULL : "a USB port such as 1-1.2";
	case KIND_UUID:
		return kf_uuid_read(text, uuid) ? NULL : "12 hexadecimal digits";
	case KIND_INTERFACE:
		return kf_interface_valid(text) ? NULL : "a network interface such as can0";
	case KIND_DEVICE:
		return strncmp(text, "/dev/", 5) == 0 || kf_path_is_process(text)
			       ? NULL
			       : "a serial port such as /dev/ttyAMA0, or the host's own MCU, "
				 "/tmp/klipper_host_mcu";
	default:
		return NULL;
	}
}

static int check_value(const char *where, const struct setting *setting, const json_t *value,
		       struct kf_error *err)
{
	char clean[KF_NAME_SIZE];
	const char *want;

	if (!value || json_is_null(value))
		return 0;
	if (setting->kind == KIND_BOOL)
		return json_is_boolean(value)
			       ? 0
			       : kf_fail(err, KF_CONFIG, "%s: \"%s\" is %s, not true or false",
					 where, setting->name, type_name(value));
	if (setting->kind == KIND_BAUD)
		return baud_valid(value) ? 0
					 : kf_fail(err, KF_CONFIG, "%s: \"%s\" is not %s", where,
						   setting->name, BAUDS);
	if (!json_is_string(value))
		return kf_fail(err, KF_CONFIG, "%s: \"%s\" is %s, not a string", where,
			       setting->name, type_name(value));
	want = wanted(setting->kind, json_string_value(value));
	if (!want)
		return 0;
	kf_text_clean(clean, sizeof(clean), json_string_value(value), json_string_length(value));
	return kf_fail(err, KF_CONFIG, "%s: \"%s\" is \"%s\", not %s", where, setting->name, clean,
		       want);
}

/* A device (with its key), or the members of "global" (key is NULL). */
static int check_members(const char *key, const json_t *members, struct kf_error *err)
{
	const struct setting *table = table_of(key ? KF_SCOPE_DEVICE : KF_SCOPE_GLOBAL);
	char where[KF_NAME_SIZE] = "\"global\"", clean[KF_KEY_SIZE];
	int r;

	if (key) {
		KF_CLEAN(clean, key);
		kf_text_format(where, sizeof(where), "device \"%s\"", clean);
	}
	if (key && !kf_key_valid(key))
		return kf_fail(err, KF_CONFIG,
			       "%s: not a valid key: at most 64 of a-z, 0-9, - and _, the first a "
			       "letter or digit",
			       where);
	if (!json_is_object(members))
		return kf_fail(err, KF_CONFIG, "%s is %s, not an object", where,
			       type_name(members));
	for (; table->name; table++) {
		r = check_value(where, table, json_object_get(members, table->name), err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* "blocked_devices": objects with pattern and reason. */
static int check_blocked(const json_t *list, struct kf_error *err)
{
	static const struct setting pattern = { "pattern", KIND_PATTERN, RESET_REFUSED };
	static const struct setting reason = { "reason", KIND_TEXT, RESET_REFUSED };
	char where[64];
	const json_t *entry;
	size_t i;
	int r;

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return kf_fail(err, KF_CONFIG, "\"blocked_devices\" is %s, not an array",
			       type_name(list));
	json_array_foreach(list, i, entry) {
		kf_text_format(where, sizeof(where), "\"blocked_devices\"[%zu]", i);
		if (!json_is_object(entry))
			return kf_fail(err, KF_CONFIG, "%s is %s, not an object", where,
				       type_name(entry));
		if (!json_is_string(json_object_get(entry, "pattern")))
			return kf_fail(err, KF_CONFIG, "%s has no \"pattern\"", where);
		r = check_value(where, &pattern, json_object_get(entry, "pattern"), err);
		if (r == 0)
			r = check_value(where, &reason, json_object_get(entry, "reason"), err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Are there boards beside "devices", or is it another program's file? It would count as empty. */
static bool lost_devices(const json_t *root)
{
	const char *name;
	json_t *member;

	if (json_object_get(root, "global") || json_object_get(root, "blocked_devices"))
		return false;
	json_object_foreach((json_t *)root, name, member) {
		if (json_is_object(member))
			return true;
	}
	return false;
}

int kf_settings_check(const json_t *root, struct kf_error *err)
{
	const json_t *section;
	json_t *device;
	const char *key;
	int r;

	if (!json_is_object(root))
		return kf_fail(err, KF_CONFIG, "the file has %s, not an object", type_name(root));
	section = json_object_get(root, "global");
	r = section && !json_is_null(section) ? check_members(NULL, section, err) : 0;
	if (r < 0)
		return r;
	r = check_blocked(json_object_get(root, "blocked_devices"), err);
	if (r < 0)
		return r;
	section = json_object_get(root, "devices");
	if (!section && lost_devices(root))
		return kf_fail(err, KF_CONFIG,
			       "the file has no \"devices\", so no board would be registered");
	if (section && !json_is_null(section) && !json_is_object(section))
		return kf_fail(err, KF_CONFIG, "\"devices\" is %s, not an object",
			       type_name(section));
	json_object_foreach((json_t *)section, key, device) {
		r = check_members(key, device, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct setting *find(enum kf_scope scope, const char *name, size_t len,
				  struct kf_error *err)
{
	const struct setting *table = table_of(scope);
	char known[256] = "", clean[KF_NAME_SIZE];
	struct kf_suggestion meant = { .typed = clean };

	kf_text_clean(clean, sizeof(clean), name, len);
	for (const struct setting *s = table; s->name; s++) {
		if (strlen(s->name) == len && strncmp(s->name, name, len) == 0)
			return s;
		kf_text_add(known, sizeof(known), ", ", s->name);
		kf_suggestion_offer(&meant, s->name);
	}
	kf_fail(err, KF_USAGE, "there is no member \"%s\"", clean);
	kf_error_hint(err, "%s%s%sthe members are: %s", meant.word ? "did you mean " : "",
		      meant.word ? meant.word : "", meant.word ? "? " : "", known);
	return NULL;
}

/* The boolean that text means, a new reference; NULL: it means none. */
static json_t *boolean(const char *text)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };

	for (size_t i = 0; i < KF_ARRAY_SIZE(words); i++) {
		if (strcasecmp(text, words[i]) == 0)
			return json_boolean(i % 2);
	}
	return NULL;
}

static json_t *baud(const char *text)
{
	char *end;
	_cleanup_(kf_json_decrefp) json_t *value = json_integer(strtoll(text, &end, 10));

	if (*end || !isdigit((unsigned char)text[0]) || !baud_valid(value))
		return NULL;
	return TAKE_PTR(value);
}

/* The value that text means, a new reference; NULL: it is none, and *ret_want says what is. */
static json_t *json_value(enum kind kind, const char *text, const char **ret_want)
{
	char uuid[KF_CAN_UUID_SIZE];

	if (kind == KIND_BOOL) {
		*ret_want = "true or false";
		return boolean(text);
	}
	if (kind == KIND_BAUD) {
		*ret_want = BAUDS;
		return baud(text);
	}
	*ret_want = wanted(kind, text);
	if (*ret_want)
		return NULL;
	return json_string(kind == KIND_UUID && kf_uuid_read(text, uuid) ? uuid : text);
}

const char *kf_settings_dir_lacks(const char *dir)
{
	char path[PATH_MAX], inside[PATH_MAX];

	if (kf_path_expand(dir, path, NULL) < 0 || access(path, F_OK) < 0)
		return "does not exist yet";
	if (!kf_text_format(inside, sizeof(inside), "%s/src/Kconfig", path) ||
	    access(inside, F_OK) < 0)
		return "is not a source folder: it has no src/Kconfig";
	return NULL;
}

const char *kf_settings_pattern(const json_t *device)
{
	const char *pattern = json_string_value(json_object_get(device, "serial_pattern"));

	return pattern ? pattern : json_string_value(json_object_get(device, "pattern"));
}

int kf_settings_assign(json_t *members, enum kf_scope scope, const char *assignment,
		       struct kf_error *err)
{
	const char *equals = strchr(assignment, '='), *value, *want = NULL, *name;
	const struct setting *setting;
	json_t *json;

	if (!equals)
		return kf_fail(err, KF_USAGE, "\"%s\" is not of the form member=value", assignment);
	setting = find(scope, assignment, (size_t)(equals - assignment), err);
	if (!setting)
		return kf_code_errno(KF_USAGE);
	value = equals + 1;
	name = setting->name;
	if (setting->kind == KIND_PATTERN)
		name = json_object_get(members, "serial_pattern") ? "serial_pattern"
		       : json_object_get(members, "pattern")	  ? "pattern"
								  : "serial_pattern";
	if (!value[0] && setting->reset == RESET_REFUSED)
		return kf_fail(err, KF_USAGE, "%s cannot be empty", setting->name);
	if (!value[0] && setting->reset == RESET_DELETE) {
		json_object_del(members, name);
		return 0;
	}
	json = !value[0] ? json_null() : json_value(setting->kind, value, &want);
	if (!json)
		return kf_fail(err, KF_USAGE, "%s: \"%s\" is not %s", setting->name, value, want);
	json_object_set_new(members, name, json);
	return 0;
}
