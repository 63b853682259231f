/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What another tool says of a board is believed as far as it fits together: its configuration
 * must be one, and for the MCU that its name tells. The registry is saved first, so that a
 * configuration never stands there for a board that is not registered.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/enrol.h"
#include "core/file.h"
#include "core/import.h"
#include "core/settings.h"
#include "core/text.h"
#include "klipper/adopt.h"
#include "klipper/kconfig.h"
#include "klipper/migrate.h"
#include "usb/identity.h"

enum { CONFIG_MAX = 1 << 20 };

struct adoption {
	struct kf_registry registry;
	const char *file;
	json_t *found;	/* what the reader made of it */
	json_t *report; /* what became of that */
};

static void note(struct adoption *a, const char *list, const char *key)
{
	json_array_append_new(json_object_get(a->report, list), json_string(key));
}

/* Where its configuration should be, relative to the file; NULL: it has none. */
static const char *config_name(const struct adoption *a, const char *key)
{
	return json_string_value(json_object_get(json_object_get(a->found, "configs"), key));
}

/* Its configuration beside the file; false: it has none that is there. */
static bool config_of(const struct adoption *a, const char *key, char ret[PATH_MAX])
{
	const char *name = config_name(a, key);
	const char *slash = strrchr(a->file, '/');

	return name &&
	       kf_text_format(ret, PATH_MAX, "%.*s%s", slash ? (int)(slash - a->file) + 1 : 0,
			      a->file, name) &&
	       access(ret, F_OK) == 0;
}

/*
 * Complete and check the device by its configuration. Returns whether the device can be
 * registered; its configuration is forgotten if it is not to be taken.
 */
static bool fit(struct adoption *a, const char *key, json_t *device)
{
	json_t *configs = json_object_get(a->found, "configs");
	const char *mcu = json_string_value(json_object_get(device, "mcu"));
	struct kf_kconfig config = { 0 };
	struct kf_error err = { 0 };
	char path[PATH_MAX], own[64];

	if (!config_of(a, key, path)) {
		if (config_name(a, key))
			kf_import_leave(a->found, key, "its configuration %s is not there",
					config_name(a, key));
		json_object_del(configs, key);
	} else if (kf_kconfig_load(path, &config, &err) < 0) {
		kf_import_leave(a->found, key, "its configuration: %s", err.message);
		json_object_del(configs, key);
	} else if (mcu && config.mcu[0] && !kf_mcu_same(mcu, config.mcu)) {
		kf_import_leave(a->found, key, "its configuration is for %s, the board is %s",
				config.mcu, mcu);
		json_object_del(configs, key);
	} else if (!mcu && config.mcu[0]) {
		kf_mcu_short(config.mcu, own);
		json_object_set_new(device, "mcu", json_string(own));
	}
	kf_kconfig_free(&config);
	if (json_object_get(device, "mcu"))
		return true;
	kf_import_leave(a->found, key, "nothing tells which MCU it has: plug it in, and kf add");
	return false;
}

static bool same_pattern(const json_t *x, const json_t *y)
{
	const char *a = kf_settings_pattern(x), *b = kf_settings_pattern(y);

	return a && b && strcmp(a, b) == 0;
}

static void adopt_device(struct adoption *a, json_t *devices, const char *key, json_t *device)
{
	json_t *here = json_object_get(devices, key);
	struct kf_error err = { 0 };

	if (here && same_pattern(here, device)) {
		note(a, "unchanged", key);
	} else if (here) {
		kf_import_leave(a->found, key, "%s is another board here", key);
	} else if (fit(a, key, device)) {
		json_object_set(devices, key, device);
		if (kf_settings_check_members(key, device, &err) == 0 &&
		    kf_enrol_check(&a->registry, key, &err) == 0) {
			note(a, "devices", key);
			return;
		}
		kf_import_leave(a->found, key, "%s", err.message);
		json_object_del(devices, key);
	}
}

static void adopt_devices(struct adoption *a)
{
	json_t *devices = json_object_get(a->registry.root, "devices"), *device;
	const char *key;

	if (!json_is_object(devices)) {
		devices = json_object();
		json_object_set_new(a->registry.root, "devices", devices);
	}
	json_object_foreach(json_object_get(a->found, "devices"), key, device)
	{
		adopt_device(a, devices, key, device);
	}
}

static int copy_configs(struct adoption *a, struct kf_error *err)
{
	char theirs[PATH_MAX], ours[PATH_MAX];
	const json_t *key;
	size_t i;
	int r;

	json_array_foreach(json_object_get(a->report, "devices"), i, key)
	{
		const char *name = json_string_value(key);

		if (!config_of(a, name, theirs))
			continue;
		r = kf_saved_config_path(name, ours, err);
		if (r == 0 && access(ours, F_OK) == 0)
			continue;
		if (r == 0)
			r = kf_file_copy(theirs, ours, CONFIG_MAX, err);
		if (r < 0)
			return r;
		note(a, "configs", name);
	}
	return 0;
}

static int adopt(struct adoption *a, struct kf_error *err)
{
	int r;

	a->report = json_pack("{s:O, s:[], s:[], s:[]}", "from", json_object_get(a->found, "from"),
			      "devices", "unchanged", "configs");
	if (!a->report)
		return kf_fail_sys(err, ENOMEM, "%s", a->file);
	adopt_devices(a);
	if (json_array_size(json_object_get(a->report, "devices")) == 0)
		return 0;
	r = kf_registry_save(&a->registry, err);
	return r < 0 ? r : copy_configs(a, err);
}

int kf_adopt(const char *file, const char *text, size_t len, kf_import_reader *reader, json_t **ret,
	     struct kf_error *err)
{
	struct adoption a = { .registry = { .lock = -1 }, .file = file };
	int r;

	r = reader(text, len, &a.found, err);
	if (r < 0)
		kf_error_prefix(err, "%s", file);
	else
		r = kf_registry_open(&a.registry, err);
	if (r == 0)
		r = adopt(&a, err);
	if (r == 0) {
		json_object_set(a.report, "left", json_object_get(a.found, "left"));
		*ret = json_incref(a.report);
	}
	json_decref(a.report);
	json_decref(a.found);
	kf_registry_close(&a.registry);
	return r;
}
