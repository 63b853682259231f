/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * devices.json: read whole, checked whole, written whole. Only what was read under
 * the lock is written, so that two writers lose nothing.
 */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board/record.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/suggestion.h"
#include "core/text.h"
#include "registry/registry.h"
#include "registry/settings.h"

enum { LOCK_MS = 5000, FILE_MAX = 1 << 20 };

int kf_registry_parse(const char *path, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *root = NULL;
	_cleanup_(kf_freep) char *text = NULL;
	const char *json;
	json_error_t je;
	size_t len;
	int r;

	r = kf_file_read(path, FILE_MAX, &text, &len, err);
	if (r < 0)
		return r;
	json = kf_text_without_bom(text, &len);
	if (!json[strspn(json, " \t\r\n")]) {
		kf_fail(err, KF_CONFIG, "%s: the file is empty", path);
		return kf_error_hint(err, "restore a backup, or remove it: rm %s", path);
	}
	root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &je);
	if (!root) {
		r = kf_fail(err, KF_CONFIG, "%s: line %d, column %d: %s", path, je.line, je.column,
			    je.text);
	} else {
		r = kf_settings_check(root, err);
		if (r < 0)
			kf_error_prefix(err, "%s", path);
	}
	if (r < 0) {
		kf_error_hint(err, "correct it in an editor; nothing was written to it");
		return r;
	}
	*ret = TAKE_PTR(root);
	return 0;
}

int kf_registry_load(struct kf_registry *ret, struct kf_error *err)
{
	struct kf_registry registry = { .lock = -1 };
	int r;

	r = kf_path(KF_DIR_CONFIG, registry.path, err, "devices.json");
	if (r < 0)
		return r;
	r = kf_path_follow(registry.path, err);
	if (r < 0)
		return r;
	r = kf_registry_parse(registry.path, &registry.root, err);
	if (r == -ENOENT) {
		registry.root = json_object();
		r = registry.root ? 0 : kf_fail_sys(err, ENOMEM, "%s", registry.path);
	}
	if (r < 0)
		return r;
	*ret = registry;
	return 0;
}

int kf_registry_open(struct kf_registry *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int lock = -1;
	char path[PATH_MAX];
	int r;

	r = kf_path(KF_DIR_CONFIG, path, err, "devices.json.lock");
	if (r < 0)
		return r;
	r = kf_lock_take(path, kf_now_ms() + LOCK_MS, &lock, err);
	if (r < 0)
		return r;
	r = kf_registry_load(ret, err);
	if (r < 0)
		return r;
	ret->lock = TAKE_FD(lock);
	return 0;
}

char *kf_registry_text(const json_t *root)
{
	_cleanup_(kf_freep) char *text =
		json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(kf_json_digits(root)));
	char *line = NULL;

	return text && asprintf(&line, "%s\n", text) >= 0 ? line : NULL;
}

int kf_registry_save(struct kf_registry *registry, struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = NULL;
	int r;

	if (registry->lock < 0)
		return kf_fail(err, KF_INTERNAL, "%s: cannot be written without its lock",
			       registry->path);
	r = kf_settings_check(registry->root, err);
	if (r < 0)
		return r;
	text = kf_registry_text(registry->root);
	if (!text)
		return kf_fail_sys(err, ENOMEM, "%s", registry->path);
	return kf_file_write(registry->path, text, strlen(text), err);
}

void kf_registry_close(struct kf_registry *registry)
{
	if (!registry->root)
		return;
	kf_json_decrefp(&registry->root);
	kf_json_decrefp(&registry->described);
	kf_json_decrefp(&registry->trees);
	kf_closep(&registry->lock);
	*registry = (struct kf_registry){ .lock = -1 };
}

static const char *text_of(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

static uint32_t number_of(const json_t *object, const char *member, uint32_t otherwise)
{
	const json_t *value = json_object_get(object, member);

	return json_is_integer(value) ? (uint32_t)json_integer_value(value) : otherwise;
}

static void read_device(const char *key, const json_t *device, struct kf_device *ret)
{
	*ret = (struct kf_device){
		.key = key,
		.name = text_of(device, "name"),
		.mcu = text_of(device, "mcu"),
		.pattern = kf_settings_pattern(device),
		.flash_method = text_of(device, "flash_method"),
		.klipper_dir = text_of(device, "klipper_dir"),
		.usb_port = text_of(device, "usb_port"),
		.canbus_uuid = text_of(device, "canbus_uuid"),
		.serial = text_of(device, "serial"),
		.baud = number_of(device, "baud", KF_BAUD_DEFAULT),
		.katapult_baud = number_of(device, "katapult_baud", KF_BAUD_DEFAULT),
		.sdcard_board = text_of(device, "sdcard_board"),
		.programmer = text_of(device, "programmer"),
		.programmer_part = text_of(device, "programmer_part"),
		.programmer_baud = number_of(device, "programmer_baud", 0),
		.flashable = !json_is_false(json_object_get(device, "flashable")),
	};
	if (ret->canbus_uuid)
		ret->canbus_interface = text_of(device, "canbus_interface");
	if (ret->canbus_uuid && !ret->canbus_interface)
		ret->canbus_interface = KF_INTERFACE_DEFAULT;
}

static bool find_device(json_t *devices, const char *key, bool described, struct kf_device *ret)
{
	json_t *device = json_object_get(devices, key);

	if (!device)
		return false;
	/* The key in the object lives as long as the registry; the caller's may not. */
	read_device(json_object_iter_key(json_object_iter_at(devices, key)), device, ret);
	ret->described = described;
	return true;
}

int kf_registry_device(const struct kf_registry *registry, const char *key, struct kf_device *ret,
		       struct kf_error *err)
{
	const char *all =
		json_object_size(registry->described) ? "the boards" : "the registered boards";
	struct kf_suggestion meant = { .typed = key };
	struct kf_device device;
	char known[256] = "";

	if (find_device(json_object_get(registry->root, "devices"), key, false, ret) ||
	    find_device(registry->described, key, true, ret))
		return 0;
	kf_fail(err, KF_NOT_REGISTERED, "no board \"%s\" is registered", key);
	for (void *at = NULL; kf_registry_next(registry, &at, &device);) {
		kf_text_add(known, sizeof(known), ", ", device.key);
		kf_suggestion_offer(&meant, device.key);
	}
	if (meant.word)
		return kf_error_hint(err, "did you mean %s? %s: %s", meant.word, all, known);
	if (known[0])
		return kf_error_hint(err, "%s: %s", all, known);
	return kf_error_hint(err, "%s", kf_registry_advice("nothing is registered yet: kf add"));
}

bool kf_registry_has(const struct kf_registry *registry, const char *key)
{
	return json_object_get(json_object_get(registry->root, "devices"), key);
}

/* The user who runs us as root by sudo, or NULL. */
static const char *sudo_user(void)
{
	const char *user = getenv("SUDO_USER");

	return geteuid() == 0 && user && strcmp(user, "root") != 0 ? user : NULL;
}

const char *kf_registry_advice(const char *otherwise)
{
	return sudo_user() ? "this is the registry of root: without sudo, yours is used"
			   : otherwise;
}

bool kf_registry_by_sudo(char *ret, size_t size)
{
	const char *user = sudo_user();
	const struct passwd *pw = user ? getpwnam(user) : NULL;
	size_t len = pw ? strlen(pw->pw_dir) : 0;
	char path[PATH_MAX], name[KF_NAME_SIZE];

	if (!user || kf_path(KF_DIR_CONFIG, path, NULL, "devices.json") < 0)
		return false;
	KF_CLEAN(name, user);
	/* sudo -E, or a sudoers file, has kept the HOME of that user. */
	if (len > 1 && strncmp(path, pw->pw_dir, len) == 0 && path[len] == '/')
		kf_text_format(
			ret, size,
			"with sudo, root changes the registry of %s, %s: run it without sudo", name,
			path);
	else
		kf_text_format(ret, size,
			       "with sudo, this is the registry of root, %s: without sudo, that of "
			       "%s is used",
			       path, name);
	return true;
}

bool kf_registry_next(const struct kf_registry *registry, void **at, struct kf_device *ret)
{
	json_t *devices = json_object_get(registry->root, "devices");
	bool described =
		*at && json_object_iter_at(registry->described, json_object_iter_key(*at)) == *at;

	if (described)
		*at = json_object_iter_next(registry->described, *at);
	else
		*at = *at ? json_object_iter_next(devices, *at) : json_object_iter(devices);
	if (!*at && !described) {
		*at = json_object_iter(registry->described);
		described = true;
	}
	if (!*at)
		return false;
	read_device(json_object_iter_key(*at), json_object_iter_value(*at), ret);
	ret->described = described;
	return true;
}

json_t *kf_registry_section(struct kf_registry *registry, const char *name)
{
	json_t *section = json_object_get(registry->root, name);

	if (!json_is_object(section)) {
		section = json_object();
		json_object_set_new(registry->root, name, section);
	}
	return section;
}

static const char *global_text(const struct kf_registry *registry, const char *member,
			       const char *otherwise)
{
	const char *text = text_of(json_object_get(registry->root, "global"), member);

	return text ? text : otherwise;
}

static bool global_flag(const struct kf_registry *registry, const char *member)
{
	return !json_is_false(json_object_get(json_object_get(registry->root, "global"), member));
}

bool kf_registry_names_tree(const struct kf_registry *registry, const struct kf_device *dev)
{
	return (dev && (dev->klipper_dir || dev->described)) ||
	       global_text(registry, "klipper_dir", NULL);
}

/* The first of these folders that has this file, else the first. */
static const char *usual_dir(const char *const *dirs, const char *file)
{
	char path[PATH_MAX], whole[PATH_MAX];

	for (size_t i = 0; dirs[i]; i++)
		if (kf_path_expand(dirs[i], path, NULL) == 0 &&
		    kf_text_format(whole, sizeof(whole), "%s/%s", path, file) &&
		    access(whole, F_OK) == 0)
			return dirs[i];
	return dirs[0];
}

static const char *usual_tree(void)
{
	static const char *const dirs[] = { "~/klipper", "~/kalico", NULL };

	return usual_dir(dirs, "");
}

const char *kf_registry_klipper_dir(const struct kf_registry *registry, const struct kf_device *dev)
{
	const char *global = global_text(registry, "klipper_dir", NULL);
	const char *printers = dev ? text_of(registry->trees, dev->key) : NULL;

	if (dev && dev->klipper_dir)
		return dev->klipper_dir;
	/* For a board that nobody registered, its printer's value comes before the global one. */
	if (printers && (dev->described || !global))
		return printers;
	return global ? global : usual_tree();
}

void kf_registry_hint_tree(const struct kf_registry *registry, const char *key, const char *option,
			   struct kf_error *err)
{
	static const char global[] = "kf set --global klipper_dir=DIR";
	const char *at = strstr(err->hint, global);
	struct kf_device device;
	char instead[sizeof(global) + KF_KEY_SIZE] = "--klipper-dir=DIR";

	if (!at)
		return;
	if (!option) {
		if (kf_registry_device(registry, key, &device, NULL) < 0 || !device.klipper_dir)
			return;
		kf_text_format(instead, sizeof(instead), "kf set %s klipper_dir=DIR", key);
	}
	kf_error_hint(err, "%.*s%s%s", (int)(at - err->hint), err->hint, instead,
		      at + strlen(global));
}

const char *kf_registry_katapult_dir(const struct kf_registry *registry)
{
	static const char *const dirs[] = { "~/katapult", "~/Katapult", "~/CanBoot", NULL };
	const char *global = global_text(registry, "katapult_dir", NULL);

	if (global || registry->katapult[0])
		return global ? global : registry->katapult;
	return usual_dir(dirs, "scripts/flashtool.py");
}

const char *kf_registry_flash_method(const struct kf_registry *registry,
				     const struct kf_device *dev)
{
	return dev && dev->flash_method ? dev->flash_method
					: global_text(registry, "default_flash_method", "katapult");
}

bool kf_registry_allow_fallback(const struct kf_registry *registry)
{
	return global_flag(registry, "allow_flash_fallback");
}

bool kf_registry_skip_menuconfig(const struct kf_registry *registry)
{
	return global_flag(registry, "skip_menuconfig");
}
