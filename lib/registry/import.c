/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Merging is all or nothing: the registry is saved only after every part of the file fitted. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"
#include "registry/device.h"
#include "registry/import.h"
#include "registry/saved-config.h"

/* Ours, and the Python tool's in its checkout. */
static const char *const file_names[] = { "devices.json", "kflash/devices.json" };

/* The lists of other tools; their entries are not boards as we register them. */
static const char *const other_names[] = { "mcus.ini", "fleet.json" };

static const char wanted[] = "name a devices.json, or the folder that it is in";

/*
 * Take the members of theirs that ours has not. The name of each is added to one of the lists:
 * taken, here with the same value, here with another one. NULL: there is no such list.
 */
static void take_members(json_t *ours, const json_t *theirs, json_t *taken, json_t *same,
			 json_t *other)
{
	json_t *value, *here;
	const char *name;

	json_object_foreach((json_t *)theirs, name, value) {
		here = json_object_get(ours, name);
		if (!here)
			json_object_set(ours, name, value);
		json_array_append_new(!here			? taken
				      : json_equal(here, value) ? same
								: other,
				      json_string(name));
	}
}

static int take_devices(struct kf_registry *registry, const json_t *from, json_t *report,
			struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *other = json_array();
	json_t *taken = json_object_get(report, "devices");
	const json_t *item;
	const char *key;
	size_t i;
	int r = 0;

	take_members(kf_registry_section(registry, "devices"), json_object_get(from, "devices"),
		     taken, json_object_get(report, "unchanged"), other);
	key = json_string_value(json_array_get(other, 0));
	if (key) {
		kf_fail(err, KF_CONFIG, "%s is registered here already, with other values", key);
		return kf_error_hint(
			err, "kf show %s; to import it anyway, first: kf remove %s --keep-config",
			key, key);
	}
	json_array_foreach(taken, i, item) {
		if (r == 0)
			r = kf_device_check_unique(registry, json_string_value(item), err);
	}
	return r;
}

static bool contains(const json_t *list, const json_t *entry)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		if (json_equal(item, entry))
			return true;
	}
	return false;
}

/* Returns the number of imported boards. */
static size_t take_blocked(json_t *root, const json_t *from)
{
	json_t *ours = json_object_get(root, "blocked_devices"), *entry;
	size_t i, taken = 0;

	json_array_foreach(json_object_get(from, "blocked_devices"), i, entry) {
		if (!json_is_array(ours)) {
			ours = json_array();
			json_object_set_new(root, "blocked_devices", ours);
		}
		if (contains(ours, entry))
			continue;
		json_array_append(ours, entry);
		taken++;
	}
	return taken;
}

/* Merge everything in memory; the caller saves it. */
static int merge(struct kf_registry *registry, const json_t *from, json_t *report,
		 struct kf_error *err)
{
	int r = take_devices(registry, from, report, err);

	if (r < 0)
		return r;
	take_members(kf_registry_section(registry, "global"), json_object_get(from, "global"),
		     json_object_get(report, "global"), NULL, json_object_get(report, "kept"));
	json_object_set_new(report, "blocked_devices",
			    json_integer((json_int_t)take_blocked(registry->root, from)));
	take_members(registry->root, from, NULL, NULL, NULL);
	return 0;
}

/*
 * Copy configs/KEY/.config, beside file, to our configurations, unless we have one; with export,
 * copy ours to beside file. Returns 1 if it was copied.
 */
static int copy_config(const char *file, const char *key, bool export, struct kf_error *err)
{
	int r, len = (int)(basename(file) - file);
	char theirs[PATH_MAX], ours[PATH_MAX];

	r = kf_saved_config_path(key, ours, err);
	if (r == 0)
		r = kf_path_format(theirs, err, "%.*sconfigs/%s/.config", len, file, key);
	if (r < 0)
		return r;
	if (access(export ? ours : theirs, F_OK) < 0 || (!export && access(ours, F_OK) == 0))
		return 0;
	r = kf_file_copy(export ? ours : theirs, export ? theirs : ours, KF_SAVED_CONFIG_MAX, err);
	return r < 0 ? r : 1;
}

/* Find the registry file in the folder path; else path itself is the file. */
static int find_file(const char *path, char ret[PATH_MAX], struct kf_error *err)
{
	struct stat st;
	int r;

	for (size_t i = 0; i < KF_ARRAY_SIZE(file_names); i++)
		if (kf_text_format(ret, PATH_MAX, "%s/%s", path, file_names[i]) &&
		    access(ret, F_OK) == 0)
			return 0;
	if (!*path)
		r = kf_fail(err, KF_USAGE, "import: the name of the file or folder is empty");
	else if (stat(path, &st) < 0)
		r = kf_fail_sys(err, errno, "cannot import %s", path);
	else if (S_ISDIR(st.st_mode))
		r = kf_fail(err, KF_CONFIG, "%s: no devices.json in it", path);
	else if (!kf_text_format(ret, PATH_MAX, "%s", path))
		r = kf_fail_sys(err, ENAMETOOLONG, "%.64s...", path);
	else
		return 0;
	kf_error_hint(err, "%s", wanted);
	return r;
}

/* path was refused. If it has the list of another tool, the hint says what to do instead. */
static void hint_other(const char *path, struct kf_error *err)
{
	char file[PATH_MAX];

	for (size_t i = 0; i < KF_ARRAY_SIZE(other_names); i++)
		if (strcmp(basename(path), other_names[i]) == 0 ||
		    (kf_text_format(file, sizeof(file), "%s/%s", path, other_names[i]) &&
		     access(file, F_OK) == 0))
			kf_error_hint(
				err,
				"the boards of %s: register each with kf add, then give it its "
				".config with kf config KEY --from FILE",
				other_names[i]);
}

int kf_import(const char *path, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	_cleanup_(kf_json_decrefp) json_t *from = NULL, *report = NULL;
	char file[PATH_MAX];
	const char *key;
	json_t *device;
	int r;

	r = find_file(path, file, err);
	if (r == 0)
		r = kf_registry_parse(file, &from, err);
	if (r < 0) {
		hint_other(path, err);
		return r;
	}
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
	json_object_foreach(json_object_get(from, "devices"), key, device) {
		if (r >= 0)
			r = copy_config(file, key, false, err);
		if (r > 0)
			json_array_append_new(json_object_get(report, "configs"), json_string(key));
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(report);
	return 0;
}

size_t kf_import_count(const struct kf_registry *registry, const char *path)
{
	_cleanup_(kf_json_decrefp) json_t *from = NULL;
	char folder[PATH_MAX], file[PATH_MAX];
	size_t count = 0;
	const char *key;
	json_t *device;

	if (kf_path_expand(path, folder, NULL) < 0 || find_file(folder, file, NULL) < 0 ||
	    kf_registry_parse(file, &from, NULL) < 0)
		return 0;
	json_object_foreach(json_object_get(from, "devices"), key, device) {
		count += !kf_registry_has(registry, key);
	}
	return count;
}

int kf_export(const char *file, FILE *out, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	_cleanup_(kf_freep) char *text = NULL;
	struct kf_device device;
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
	for (void *at = NULL; r >= 0 && kf_registry_next(&registry, &at, &device);)
		r = copy_config(file, device.key, true, err);
	return r < 0 ? r : 0;
}
