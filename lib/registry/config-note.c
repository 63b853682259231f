/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"
#include "registry/config-note.h"
#include "registry/saved-config.h"

enum { NOTE_MAX = 8192 };

static int note_path(const char *key, const char *name, char ret[PATH_MAX], struct kf_error *err)
{
	return kf_path(KF_DIR_CONFIG, ret, err, "configs/%s/%s.json", key, name);
}

static int saved_hash(const char *key, char ret[KF_HEX_SIZE], struct kf_error *err)
{
	char path[PATH_MAX];
	int r = kf_saved_config_path(key, path, err);

	return r < 0 ? r : kf_file_sha256(path, ret, err);
}

bool kf_config_note_text(const json_t *note, const char *member, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(note, member));

	return text && *text && kf_text_clean(ret, size, text, strlen(text));
}

json_t *kf_config_note_load(const char *key, const char *name)
{
	_cleanup_(kf_json_decrefp) json_t *note = NULL;
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_MAX], now[KF_HEX_SIZE], then[KF_HEX_SIZE];
	size_t len;

	if (note_path(key, name, path, NULL) < 0 ||
	    kf_file_read(path, NOTE_MAX, &text, &len, NULL) < 0)
		return NULL;
	note = json_loadb(text, len, 0, NULL);
	if (!kf_config_note_text(note, "config_sha256", then, sizeof(then)) ||
	    saved_hash(key, now, NULL) < 0 || strcmp(now, then) != 0)
		return NULL;
	return TAKE_PTR(note);
}

int kf_config_note_save(const char *key, const char *name, json_t *note, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *owned = note;
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_MAX], sha256[KF_HEX_SIZE];
	int r = note_path(key, name, path, err);

	if (r == 0)
		r = saved_hash(key, sha256, err);
	if (r < 0)
		return r;
	json_object_set_new(owned, "config_sha256", json_string(sha256));
	text = json_dumps(owned, JSON_INDENT(2));
	if (!text)
		return kf_fail(err, KF_INTERNAL, "a %s that cannot be written", name);
	return kf_file_write(path, text, strlen(text), err);
}
