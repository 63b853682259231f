/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What all readers of other tools' files have in common: their boards become ours here. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/import.h"
#include "core/text.h"
#include "usb/identity.h"

enum { REASON_MAX = 384, NAME_SHOWN = 64 };

json_t *kf_import_new(const char *from)
{
	return json_pack("{s:s, s:{}, s:{}, s:[]}", "from", from, "devices", "configs", "left");
}

void kf_import_leave(json_t *result, const char *name, const char *reason, ...)
{
	char raw[REASON_MAX], text[REASON_MAX], shown[NAME_SHOWN];
	va_list ap;

	va_start(ap, reason);
	vsnprintf(raw, sizeof(raw), reason, ap);
	va_end(ap);
	kf_text_clean(text, sizeof(text), raw, strlen(raw));
	kf_text_clean(shown, sizeof(shown), name, strlen(name));
	json_array_append_new(json_object_get(result, "left"),
			      json_pack("{s:s, s:s}", "name", shown, "reason", text));
}

/* Below the file's folder, and a name that a person chose: nothing that leads elsewhere. */
static bool path_valid(const char *path)
{
	char clean[PATH_MAX];

	return *path && *path != '/' && !strstr(path, "..") &&
	       kf_text_clean(clean, sizeof(clean), path, strlen(path));
}

static json_t *device_of(const char *name, const struct kf_identity *id, const char *pattern,
			 const char *method)
{
	char mcu[64];

	kf_mcu_short(id->mcu, mcu);
	return json_pack("{s:s, s:s*, s:s, s:s?, s:b}", "name", name, "mcu", *mcu ? mcu : NULL,
			 "serial_pattern", pattern, "flash_method", method, "flashable", 1);
}

/* A key and a pattern for this board; false: it stays behind, and why is noted. */
static bool name_board(json_t *result, const char *name, const char *by_id, char key[KF_KEY_SIZE],
		       char pattern[KF_DEV_SIZE])
{
	const json_t *devices = json_object_get(result, "devices");
	struct kf_identity id = { .mode = KF_MODE_OTHER };
	char clean[KF_DEV_SIZE];

	kf_identity_parse(by_id, &id);
	if (!kf_text_clean(clean, sizeof(clean), by_id, strlen(by_id)) ||
	    !kf_pattern_from_by_id(by_id, pattern))
		kf_import_leave(result, name, "%s is no name that a board could be known by",
				by_id);
	else if (!kf_serial_unique(id.serial))
		kf_import_leave(result, name,
				"%s says nothing that other boards do not say too: register it on "
				"its USB port with kf add",
				by_id);
	else if (!kf_key_from_name(name, key))
		kf_import_leave(result, name, "its name has no letter for a key");
	else if (json_object_get(devices, key))
		kf_import_leave(result, name, "its key would be %s, which another board here has",
				key);
	else if (json_object_size(devices) == KF_IMPORT_MAX)
		kf_import_leave(result, name, "there are more than %d boards", KF_IMPORT_MAX);
	else
		return true;
	return false;
}

bool kf_import_take(json_t *result, const char *name, const char *by_id, const char *method,
		    const char *config, ...)
{
	char path[PATH_MAX], pattern[KF_DEV_SIZE], shown[KF_NAME_SIZE], key[KF_KEY_SIZE];
	struct kf_identity id = { .mode = KF_MODE_OTHER };
	va_list ap;
	int len;

	va_start(ap, config);
	len = vsnprintf(path, sizeof(path), config, ap);
	va_end(ap);
	kf_text_clean(shown, sizeof(shown), name, strlen(name));
	if (!name_board(result, shown, by_id, key, pattern))
		return false;
	kf_identity_parse(by_id, &id);
	json_object_set_new(json_object_get(result, "devices"), key,
			    device_of(shown, &id, pattern, method));
	if (len > 0 && (size_t)len < sizeof(path) && path_valid(path))
		json_object_set_new(json_object_get(result, "configs"), key, json_string(path));
	else if (len != 0)
		kf_import_leave(result, shown, "the name of its configuration is unusable");
	return true;
}
