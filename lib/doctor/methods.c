/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finds the flash method of each registered board, and the programs that it lacks. */
#include <limits.h>
#include <string.h>

#include "board/port.h"
#include "core/paths.h"
#include "core/text.h"
#include "doctor/check.h"
#include "firmware/kconfig.h"
#include "flash/methods.h"
#include "flash/wire.h"
#include "registry/saved-config.h"
#include "usb/by-wire.h"

static const struct kf_board *find_board(const struct kf_doctor *doctor, const char *key)
{
	for (size_t i = 0; i < doctor->boards.count; i++)
		if (strcmp(doctor->boards.list[i].key, key) == 0)
			return &doctor->boards.list[i];
	return NULL;
}

/* Read the MCU from its saved configuration, or else from the registry. */
static void read_config(const struct kf_device *device, struct kf_methods_for *with, char mcu[64])
{
	struct kf_kconfig config = { 0 };
	char path[PATH_MAX], address[32];

	kf_text_format(mcu, 64, "%s", device->mcu);
	with->start = KF_LOADER_ANY;
	if (kf_saved_config_path(device->key, path, NULL) < 0 ||
	    kf_kconfig_load(path, &config, NULL) < 0)
		return;
	if (config.mcu[0])
		kf_text_format(mcu, 64, "%s", config.mcu);
	if (kf_kconfig_get(&config, "FLASH_APPLICATION_ADDRESS", address, sizeof(address)))
		with->start = config.start;
	with->by_uart = !with->board && config.comm == KF_COMM_SERIAL;
	kf_kconfig_free(&config);
}

static void check_methods(struct kf_doctor *doctor, const struct kf_device *device)
{
	char mcu[64], klipper[PATH_MAX], katapult[PATH_MAX];
	struct kf_methods_for with = {
		.board = find_board(doctor, device->key),
		.key = device->key,
		.mcu = mcu,
		.own = device->flash_method,
		.sdcard_board = device->sdcard_board,
		.usual = kf_registry_flash_method(&doctor->registry, NULL),
		.fallback = kf_registry_allow_fallback(&doctor->registry),
		.klipper_dir = klipper,
		.katapult_dir = katapult,
	};
	struct kf_methods methods;
	struct kf_board wired;
	struct kf_error err = { 0 };
	int r;

	if (!with.board && kf_wire_board(device, &wired))
		with.board = &wired;
	read_config(device, &with, mcu);
	if (with.board)
		with.by_uart = kf_wire_is_uart(with.board);
	with.by_can = with.board && kf_board_is_node(with.board);
	r = kf_path_expand(kf_registry_klipper_dir(&doctor->registry, device), klipper, &err);
	if (r == 0)
		r = kf_path_expand(kf_registry_katapult_dir(&doctor->registry), katapult, &err);
	if (r == 0)
		r = kf_methods_choose(&with, &methods, &err);
	if (r == 0)
		r = kf_methods_check(&with, &methods, &err);
	kf_error_for(&err, device->key);
	if (r < 0 && err.code == KF_NO_KATAPULT) {
		kf_error_hint(&err,
			      "from an SD card, or with a programmer, as the board's maker says");
		kf_doctor_report_error(doctor, KF_HEALTH_NOTE, device->key, &err);
	} else if (r < 0) {
		kf_doctor_report_error(doctor, KF_HEALTH_WRONG, device->key, &err);
	} else {
		kf_doctor_report(doctor, KF_HEALTH_OK, device->key, NULL, "by %s%s%s",
				 kf_method_name(methods.list[0]),
				 methods.count > 1 ? ", else " : "",
				 methods.count > 1 ? kf_method_name(methods.list[1]) : "");
	}
}

/* A node or a UART shows no MCU, as USB does. */
static void report_no_mcu(struct kf_doctor *doctor, const struct kf_device *device)
{
	char remedy[KF_NAME_SIZE];

	kf_text_format(remedy, sizeof(remedy), "kf set %s mcu=MCU", device->key);
	kf_doctor_report(doctor, KF_HEALTH_NOTE, device->key,
			 device->described ? "start Klipper, and run this again" : remedy,
			 "its MCU is not known, so it is not known what a flash needs");
}

void kf_doctor_methods(struct kf_doctor *doctor)
{
	struct kf_device device;
	size_t checked = 0;

	for (void *at = NULL; kf_registry_next(&doctor->registry, &at, &device);) {
		if (!device.flashable)
			continue;
		if (device.mcu)
			check_methods(doctor, &device);
		else
			report_no_mcu(doctor, &device);
		checked++;
	}
	if (!checked)
		kf_doctor_report(doctor, KF_HEALTH_NOTE, NULL, NULL, "no board to flash");
}
