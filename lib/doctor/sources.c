/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The needs of builds: source trees, and compilers for the registered boards. */
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "build/source.h"
#include "build/toolchain.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/process.h"
#include "core/text.h"
#include "doctor/check.h"
#include "registry/saved-config.h"

enum { TOOLCHAIN_MS = 10000, VERSION_MAX = 4096 };

/* klippy/.version: the version for Klipper's build if git has none; "" without the file. */
static void version_of_file(const struct kf_tree *tree, char ret[KF_NAME_SIZE])
{
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_MAX];
	size_t len;

	ret[0] = '\0';
	if (kf_text_format(path, sizeof(path), "%s/klippy/.version", tree->dir) &&
	    kf_file_read(path, VERSION_MAX, &text, &len, NULL) == 0)
		kf_text_clean(ret, KF_NAME_SIZE, text, strcspn(text, "\n"));
}

/* The tree has no .git. unfit: the health if the build and kf-flash refuse such a tree. */
static void report_unversioned(struct kf_doctor *doctor, const char *kind,
			       const struct kf_tree *tree, enum kf_health unfit)
{
	char version[KF_NAME_SIZE];

	version_of_file(tree, version);
	if (version[0])
		kf_doctor_report(doctor, KF_HEALTH_OK, kind, NULL,
				 "%s: %s, as klippy/.version says", tree->dir, version);
	else
		kf_doctor_report(
			doctor, unfit, kind,
			"clone it with git; firmware without a version is flashed only with "
			"--accept-unknown-version",
			"%s: its firmware would have no version, because "
			"the tree has neither a .git nor a klippy/.version",
			tree->dir);
}

/* unfit: how bad it is if its firmware can have no version. */
static void report_tree(struct kf_doctor *doctor, const char *kind, struct kf_tree *tree,
			enum kf_health unfit)
{
	static const char dirty[] = "-dirty";
	size_t len, tail = sizeof(dirty) - 1;
	struct kf_error err;

	if (kf_tree_describe(tree, &err) < 0) {
		kf_doctor_report_error(doctor, unfit, kind, &err);
		return;
	}
	len = strlen(tree->version);
	if (!len)
		report_unversioned(doctor, kind, tree, unfit);
	else if (len > tail && strcmp(tree->version + len - tail, dirty) == 0)
		kf_doctor_report(
			doctor, KF_HEALTH_NOTE, kind,
			"git status in the tree shows the changes; firmware is built with them",
			"%s: %s, with changes that are not committed", tree->dir, tree->version);
	else
		kf_doctor_report(doctor, KF_HEALTH_OK, kind, NULL, "%s: %s, without changes",
				 tree->dir, tree->version);
}

static void check_tree(struct kf_doctor *doctor, const char *key, const char *dir)
{
	struct kf_error err = { 0 };
	struct kf_tree tree;
	char package[PATH_MAX];
	bool kalico;

	if (kf_tree_open(dir, &tree, &err) < 0) {
		if (key)
			kf_registry_hint_tree(&doctor->registry, key, NULL, &err);
		kf_doctor_report_error(doctor, KF_HEALTH_WRONG, key ? key : "Klipper", &err);
		return;
	}
	/* Kalico's klippy is a Python package, Klipper's is not. */
	kalico = kf_text_format(package, sizeof(package), "%s/klippy/__init__.py", tree.dir) &&
		 access(package, F_OK) == 0;
	report_tree(doctor, kalico ? "Kalico" : "Klipper", &tree, KF_HEALTH_WRONG);
}

static bool uses_flashtool(const struct kf_registry *registry)
{
	const char *method = kf_registry_flash_method(registry, NULL);
	bool used = strcmp(method, "flashtool") == 0;
	struct kf_device device;

	for (void *at = NULL; kf_registry_next(registry, &at, &device);)
		used |= device.flash_method && strcmp(device.flash_method, "flashtool") == 0;
	return used;
}

static void check_katapult(struct kf_doctor *doctor)
{
	const char *dir = kf_registry_katapult_dir(&doctor->registry);
	bool used = uses_flashtool(&doctor->registry);
	enum kf_health health = used ? KF_HEALTH_WRONG : KF_HEALTH_NOTE;
	char path[PATH_MAX], tool[PATH_MAX];
	struct kf_error err = { 0 };
	struct kf_tree tree;

	if (kf_path_expand(dir, path, &err) < 0) {
		kf_doctor_report_error(doctor, health, "Katapult", &err);
		return;
	}
	if (!kf_text_format(tool, sizeof(tool), "%s/scripts/flashtool.py", path) ||
	    access(tool, R_OK) < 0 || kf_tree_open(path, &tree, NULL) < 0)
		kf_doctor_report(doctor, health, "Katapult",
				 "name it with kf set --global katapult_dir=DIR",
				 "%s is not a source tree of Katapult; %s", path,
				 used ? "flashtool, which some boards need, is a part of it"
				      : "only flashtool and building a bootloader need one");
	else
		report_tree(doctor, "Katapult", &tree, KF_HEALTH_NOTE);
}

/* Has a device before that of key (NULL: any device) the same MCU or folder? */
static bool seen(const struct kf_registry *registry, const char *key, const char *mcu,
		 const char *dir)
{
	struct kf_device device;

	for (void *at = NULL; kf_registry_next(registry, &at, &device);) {
		if (key && strcmp(device.key, key) == 0)
			break;
		if (mcu && device.mcu && device.flashable && strcasecmp(device.mcu, mcu) == 0)
			return true;
		if (dir && strcmp(kf_registry_klipper_dir(registry, &device), dir) == 0)
			return true;
	}
	return false;
}

void kf_doctor_trees(struct kf_doctor *doctor)
{
	const struct kf_registry *registry = &doctor->registry;
	const char *dir, *global = kf_registry_klipper_dir(registry, NULL);
	struct kf_device device;
	void *at = NULL;

	/* All boards may be built from the trees of their own or of their printers. */
	if (!kf_registry_next(registry, &at, &device) || kf_registry_names_tree(registry, NULL) ||
	    seen(registry, NULL, NULL, global))
		check_tree(doctor, NULL, global);
	for (at = NULL; kf_registry_next(registry, &at, &device);) {
		dir = kf_registry_klipper_dir(registry, &device);
		if (strcmp(dir, global) != 0 && !seen(registry, device.key, NULL, dir))
			check_tree(doctor, device.key, dir);
	}
	check_katapult(doctor);
}

/* Check the compiler by the tree and the saved configuration, else by the MCU. */
static int check_compiler(const struct kf_doctor *doctor, const struct kf_device *device,
			  struct kf_error *err)
{
	int64_t deadline_ms = kf_now_ms() + TOOLCHAIN_MS;
	struct kf_kconfig config = { 0 };
	struct kf_tree tree;
	_cleanup_(kf_freep) char *what = NULL;
	char path[PATH_MAX];
	int r;

	r = kf_toolchain_check_mcu(device->mcu, deadline_ms, err);
	if (r < 0 ||
	    kf_tree_open(kf_registry_klipper_dir(&doctor->registry, device), &tree, NULL) < 0 ||
	    kf_saved_config_path(device->key, path, NULL) < 0 ||
	    kf_kconfig_load(path, &config, NULL) < 0)
		return r;
	r = kf_toolchain_check(&tree, &config, deadline_ms, &what, err);
	kf_kconfig_free(&config);
	return r;
}

void kf_doctor_toolchain(struct kf_doctor *doctor)
{
	static const char *const programs[] = { "make", "python3" };
	char remedy[KF_NAME_SIZE];
	struct kf_error err = { 0 };
	struct kf_device device;

	for (size_t i = 0; i < KF_ARRAY_SIZE(programs); i++) {
		kf_text_format(remedy, sizeof(remedy), "sudo apt-get install %s", programs[i]);
		if (kf_process_exists(programs[i]))
			kf_doctor_report(doctor, KF_HEALTH_OK, programs[i], NULL, "installed");
		else
			kf_doctor_report(doctor, KF_HEALTH_WRONG, programs[i], remedy,
					 "missing: no firmware can be built");
	}
	for (void *at = NULL; kf_registry_next(&doctor->registry, &at, &device);) {
		if (!device.flashable || !device.mcu ||
		    seen(&doctor->registry, device.key, device.mcu, NULL))
			continue;
		if (check_compiler(doctor, &device, &err) < 0)
			kf_doctor_report_error(doctor, KF_HEALTH_WRONG, device.mcu, &err);
		else
			kf_doctor_report(doctor, KF_HEALTH_OK, device.mcu, NULL,
					 "all programs that build its firmware are installed");
	}
}
