/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Our own files: the registry, the saved configurations, the kept firmware; and the clock. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "board/identity.h"
#include "build/kept.h"
#include "core/text.h"
#include "doctor/check.h"
#include "firmware/kconfig.h"
#include "printer/described.h"
#include "registry/device.h"
#include "registry/import.h"
#include "registry/saved-config.h"
#include "usb/holder.h"

/* Find the connected boards and those of the printers, which later checks look at. */
static void find_boards(struct kf_doctor *doctor)
{
	struct kf_error err = { 0 };
	bool usb = kf_usb_scan(&doctor->boards, &err) == 0;

	if (!usb)
		kf_doctor_report_error(doctor, KF_HEALTH_WRONG, "USB", &err);
	if (doctor->registry.root &&
	    (kf_printers_find(&doctor->printers, &err) < 0 ||
	     kf_printers_describe(&doctor->printers, &doctor->boards, &doctor->registry, &err) < 0))
		kf_doctor_report_error(doctor, KF_HEALTH_WRONG, "printers", &err);
	if (!usb)
		return;
	for (size_t i = 0; i < doctor->boards.count; i++)
		if (kf_registry_identify(&doctor->registry, &doctor->boards.list[i], &err) < 0)
			kf_doctor_report_error(doctor, KF_HEALTH_WRONG,
					       kf_board_label(&doctor->boards.list[i]), &err);
	kf_holders_find(doctor->boards.list, doctor->boards.count);
}

static void check_mcu(struct kf_doctor *doctor, const struct kf_device *device)
{
	char named[64], remedy[KF_NAME_SIZE];

	if (!kf_device_other_mcu(device->pattern, device->mcu, named))
		return;
	kf_text_format(remedy, sizeof(remedy), "kf set %s mcu=%s", device->key, named);
	kf_doctor_report(doctor, KF_HEALTH_WRONG, device->key, remedy,
			 "it is registered as %s, but %s is %s", device->mcu, device->pattern,
			 named);
}

/* The Python tool keeps its registry in its own folder, which its README has in the home directory.
 */
static void check_python_tool(struct kf_doctor *doctor)
{
	static const char folder[] = "~/kalico-flash";
	size_t count = kf_import_count(&doctor->registry, folder);

	if (count)
		kf_doctor_report(doctor, KF_HEALTH_NOTE, folder, "kf import ~/kalico-flash",
				 "the registry of the Python tool has %zu board%s that %s not "
				 "registered here",
				 count, count == 1 ? "" : "s", count == 1 ? "is" : "are");
}

/* Report the registered boards, and those that need not be, because a printer names them. */
static void count_boards(struct kf_doctor *doctor)
{
	size_t registered = 0, described = 0;
	struct kf_device device;
	char keys[256] = "";

	for (void *at = NULL; kf_registry_next(&doctor->registry, &at, &device);) {
		if (device.described) {
			described++;
			kf_text_add(keys, sizeof(keys), ", ", device.key);
		} else {
			registered++;
			check_mcu(doctor, &device);
		}
	}
	if (registered)
		kf_doctor_report(doctor, KF_HEALTH_OK, "devices.json", NULL,
				 "%zu registered board%s", registered, registered == 1 ? "" : "s");
	if (described)
		kf_doctor_report(doctor, KF_HEALTH_OK, "printers", NULL,
				 "%zu board%s known by a printer's configuration: %s", described,
				 described == 1 ? " is" : "s are", keys);
	if (!registered && !described)
		kf_doctor_report(doctor, KF_HEALTH_NOTE, "devices.json",
				 "kf list shows what is plugged in; kf add registers a board",
				 "no board is registered, and no printer here names one");
}

void kf_doctor_registry(struct kf_doctor *doctor)
{
	struct kf_error err = { 0 };

	if (kf_registry_load(&doctor->registry, &err) < 0)
		kf_doctor_report_error(doctor, KF_HEALTH_WRONG, "devices.json", &err);
	find_boards(doctor);
	if (!doctor->registry.root)
		return;
	count_boards(doctor);
	check_python_tool(doctor);
}

static void check_config(struct kf_doctor *doctor, const struct kf_device *device)
{
	struct kf_kconfig config = { 0 };
	struct kf_error err = { 0 };
	char path[PATH_MAX], remedy[KF_NAME_SIZE], summary[256];
	int r = kf_saved_config_path(device->key, path, &err);

	kf_text_format(remedy, sizeof(remedy), "kf config %s", device->key);
	if (r == 0)
		r = kf_kconfig_load(path, &config, &err);
	if (r == -ENOENT)
		kf_doctor_report(doctor, KF_HEALTH_NOTE, device->key, remedy,
				 "no configuration is saved: the first flash takes the one that "
				 "its firmware carries, or asks for what nothing tells");
	else if (r < 0)
		kf_doctor_report_error(doctor, KF_HEALTH_WRONG, device->key, &err);
	else if (!config.mcu[0])
		kf_doctor_report(
			doctor, KF_HEALTH_NOTE, device->key, remedy,
			"the saved configuration has no MCU: it is completed and checked when it "
			"is built");
	else if (device->mcu && !kf_mcu_same(device->mcu, config.mcu))
		kf_doctor_report(doctor, KF_HEALTH_WRONG, device->key, remedy,
				 "the board is %s, its saved configuration is for %s: choose the "
				 "board's own MCU",
				 device->mcu, config.mcu);
	else {
		kf_kconfig_summary(&config, summary, sizeof(summary));
		kf_doctor_report(doctor, KF_HEALTH_OK, device->key, NULL, "saved for %s", summary);
	}
	kf_kconfig_free(&config);
}

/* Run a check for each board that is registered or described. False: there is none. */
static bool each_device(struct kf_doctor *doctor,
			void (*check)(struct kf_doctor *doctor, const struct kf_device *device))
{
	struct kf_device device;
	bool any = false;

	for (void *at = NULL; kf_registry_next(&doctor->registry, &at, &device); any = true)
		check(doctor, &device);
	return any;
}

void kf_doctor_configs(struct kf_doctor *doctor)
{
	if (!each_device(doctor, check_config))
		kf_doctor_report(doctor, KF_HEALTH_NOTE, NULL, NULL,
				 "no board is known, so none has a configuration");
}

static void check_firmware(struct kf_doctor *doctor, const struct kf_device *device)
{
	struct kf_error err = { 0 };
	char remedy[KF_NAME_SIZE];
	size_t count = 0;

	kf_text_format(remedy, sizeof(remedy), "kf build %s", device->key);
	if (kf_kept_check(device->key, &count, &err) < 0)
		kf_doctor_report_error(doctor, KF_HEALTH_WRONG, device->key, &err);
	else if (count == 0)
		kf_doctor_report(doctor, KF_HEALTH_NOTE, device->key, remedy,
				 "nothing is built yet");
	else
		kf_doctor_report(doctor, KF_HEALTH_OK, device->key, NULL,
				 "%zu kept build%s, as %s built", count, count == 1 ? "" : "s",
				 count == 1 ? "it was" : "they were");
}

void kf_doctor_firmware(struct kf_doctor *doctor)
{
	if (!each_device(doctor, check_firmware))
		kf_doctor_report(doctor, KF_HEALTH_NOTE, NULL, NULL,
				 "no board is known, so nothing is built");
}

void kf_doctor_clock(struct kf_doctor *doctor)
{
	enum { SLACK_S = 120 };
	const char *fault = NULL;
	time_t now = time(NULL);
	struct stat st;
	char text[32];
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%d %H:%M", localtime_r(&now, &tm));
	if (tm.tm_year + 1900 < KF_YEAR)
		fault = "it is before this program was built";
	else if (stat(doctor->registry.path, &st) == 0 && st.st_mtime > now + SLACK_S)
		fault = "it is before the date of devices.json";
	kf_doctor_report(doctor, fault ? KF_HEALTH_WRONG : KF_HEALTH_OK, NULL,
			 fault ? "make compares the times of files: sudo timedatectl set-ntp true"
			       : NULL,
			 "%s%s%s", text, fault ? ": " : "", fault ? fault : "");
}
