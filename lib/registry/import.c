/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Merging is all or nothing: the registry is saved only after every part of the file fitted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"
#include "registry/device.h"
#include "registry/import.h"
#include "registry/saved-config.h"

enum { CONFIG_MAX = 1 << 20 };

static void note(json_t *report, const char *list, const char *name)
{
	json_array_append_new(json_object_get(report, list), json_string(name));
}

/* The object of that name in root, made if it is missing or null. */
static json_t *section(json_t *root, const char *name)
{
	json_t *object = json_object_get(root, name);

	if (!json_is_object(object)) {
		object = json_object();
		json_object_set_new(root, name, object);
	}
	return object;
}

static int merge_devices(struct kf_registry *registry, const json_t *from, json_t *report,
			 struct kf_error *err)
{
	json_t *ours = section(registry->root, "devices"), *device, *here;
	const json_t *key_json;
	const char *key;
	size_t i;
	int r;

	json_object_foreach(json_object_get(from, "devices"), key, device)
	{
		here = json_object_get(ours, key);
		if (here && !json_equal(here, device)) {
			kf_fail(err, KF_CONFIG, "%s is registered here with other values", key);
			kf_error_hint(err,
				      "kf-config show %s; to take the file's: kf-config "
				      "remove %s --keep-config",
				      key, key);
			return kf_code_errno(KF_CONFIG);
		}
		if (!here)
			json_object_set(ours, key, device);
		note(report, here ? "unchanged" : "devices", key);
	}
	json_array_foreach(json_object_get(report, "devices"), i, key_json)
	{
		r = kf_device_check_unique(registry, json_string_value(key_json), err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void merge_globals(json_t *root, const json_t *from, json_t *report)
{
	json_t *ours = section(root, "global"), *value, *here;
	const char *name;

	json_object_foreach(json_object_get(from, "global"), name, value)
	{
		here = json_object_get(ours, name);
		if (!here) {
			json_object_set(ours, name, value);
			note(report, "global", name);
		} else if (!json_equal(here, value)) {
			note(report, "kept", name);
		}
	}
}

static bool contains(const json_t *list, const json_t *entry)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (json_equal(item, entry))
			return true;
	}
	return false;
}

static void merge_blocked(json_t *root, const json_t *from, json_t *report)
{
	json_t *ours = json_object_get(root, "blocked_devices"), *entry;
	json_int_t taken = 0;
	size_t i;

	json_array_foreach(json_object_get(from, "blocked_devices"), i, entry)
	{
		if (!json_is_array(ours)) {
			ours = json_array();
			json_object_set_new(root, "blocked_devices", ours);
		}
		if (contains(ours, entry))
			continue;
		json_array_append(ours, entry);
		taken++;
	}
	json_object_set_new(report, "blocked_devices", json_integer(taken));
}

/* What we do not know: taken where it is new. */
static void merge_rest(json_t *root, const json_t *from)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)from, name, value)
	{
		if (!json_object_get(root, name))
			json_object_set(root, name, value);
	}
}

/* configs/KEY/.config beside file. */
static int beside(const char *file, const char *key, char ret[PATH_MAX], struct kf_error *err)
{
	const char *slash = strrchr(file, '/');
	int len = slash ? (int)(slash - file) + 1 : 0;

	if (!kf_text_format(ret, PATH_MAX, "%.*sconfigs/%s/.config", len, file, key))
		return kf_fail_sys(err, ENAMETOOLONG, "%.64s...", file);
	return 0;
}

static int take_configs(const char *file, const json_t *keys, json_t *report, struct kf_error *err)
{
	char theirs[PATH_MAX], ours[PATH_MAX];
	const json_t *key;
	size_t i;
	int r;

	json_array_foreach(keys, i, key)
	{
		r = beside(file, json_string_value(key), theirs, err);
		if (r == 0)
			r = kf_saved_config_path(json_string_value(key), ours, err);
		if (r < 0)
			return r;
		if (access(theirs, F_OK) < 0 || access(ours, F_OK) == 0)
			continue;
		r = kf_file_copy(theirs, ours, CONFIG_MAX, err);
		if (r < 0)
			return r;
		note(report, "configs", json_string_value(key));
	}
	return 0;
}

/* Everything but the saving, in memory. */
static int merge(struct kf_registry *registry, const json_t *from, json_t *report,
		 struct kf_error *err)
{
	int r = merge_devices(registry, from, report, err);

	if (r < 0)
		return r;
	merge_globals(registry->root, from, report);
	merge_blocked(registry->root, from, report);
	merge_rest(registry->root, from);
	return 0;
}

/* Ours, and the Python tool's in its checkout. */
static const char *const file_names[] = { "devices.json", "kflash/devices.json" };

static const char wanted[] = "name a devices.json, or the folder that it is in";

/* The file in a folder, or path itself. */
static int find_file(const char *path, char ret[PATH_MAX], struct kf_error *err)
{
	struct stat st;
	int r;

	if (!*path || stat(path, &st) < 0) {
		r = *path ? kf_fail_sys(err, errno, "cannot import %s", path)
			  : kf_fail(err, KF_USAGE, "import: what? its name is empty");
		kf_error_hint(err, "%s", wanted);
		return r;
	}
	if (!S_ISDIR(st.st_mode))
		return kf_text_format(ret, PATH_MAX, "%s", path)
			       ? 0
			       : kf_fail_sys(err, ENAMETOOLONG, "%.64s...", path);
	for (size_t i = 0; i < KF_ARRAY_SIZE(file_names); i++)
		if (kf_text_format(ret, PATH_MAX, "%s/%s", path, file_names[i]) &&
		    access(ret, F_OK) == 0)
			return 0;
	kf_fail(err, KF_CONFIG, "%s: no devices.json in it", path);
	kf_error_hint(err, "%s", wanted);
	return kf_code_errno(KF_CONFIG);
}

int kf_import(const char *path, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	_cleanup_(kf_json_decrefp) json_t *from = NULL, *report = NULL;
	char file[PATH_MAX];
	int r;

	r = find_file(path, file, err);
	if (r == 0)
		r = kf_registry_parse(file, &from, err);
	if (r == 0)
		r = kf_registry_open(&registry, err);
	if (r < 0)
		return r;
	report = json_pack("{s:[], s:[], s:[], s:[], s:[]}", "devices", "unchanged", "global",
			   "kept", "configs");
	if (!report)
		return kf_fail_sys(err, ENOMEM, "%s", file);
	r = merge(&registry, from, report, err);
	if (r < 0) {
		kf_error_prefix(err, "%s", file);
		return r;
	}
	r = kf_registry_save(&registry, err);
	if (r == 0)
		r = take_configs(file, json_object_get(report, "devices"), report, err);
	if (r == 0)
		r = take_configs(file, json_object_get(report, "unchanged"), report, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(report);
	return 0;
}

size_t kf_import_count(const struct kf_registry *registry, const char *path)
{
	_cleanup_(kf_json_decrefp) json_t *from = NULL;
	const json_t *ours = json_object_get(registry->root, "devices"), *device;
	char folder[PATH_MAX], file[PATH_MAX];
	size_t count = 0;
	const char *key;

	if (kf_path_expand(path, folder, NULL) < 0 || find_file(folder, file, NULL) < 0 ||
	    kf_registry_parse(file, &from, NULL) < 0)
		return 0;
	json_object_foreach(json_object_get(from, "devices"), key, device)
	{
		count += json_object_get(ours, key) == NULL;
	}
	return count;
}

static int put_configs(const struct kf_registry *registry, const char *file, struct kf_error *err)
{
	char theirs[PATH_MAX], ours[PATH_MAX];
	struct kf_device device;
	int r = 0;

	for (void *at = NULL; r == 0 && kf_registry_next(registry, &at, &device);) {
		r = beside(file, device.key, theirs, err);
		if (r == 0)
			r = kf_saved_config_path(device.key, ours, err);
		if (r == 0 && access(ours, F_OK) == 0)
			r = kf_file_copy(ours, theirs, CONFIG_MAX, err);
	}
	return r;
}

int kf_export(const char *file, FILE *out, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	_cleanup_(kf_freep) char *text = NULL;
	int r;

	r = kf_registry_load(&registry, err);
	if (r < 0)
		return r;
	text = kf_registry_text(registry.root);
	if (!text)
		return kf_fail_sys(err, ENOMEM, "%s", file);
	if (strcmp(file, "-") == 0)
		return fputs(text, out) == EOF ? kf_fail_sys(err, errno, "cannot write") : 0;
	r = kf_file_write(file, text, strlen(text), err);
	return r < 0 ? r : put_configs(&registry, file, err);
}
