/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Programs that open serial ports which are not theirs. ModemManager leaves alone what udev's
 * rules mark (ID_MM_DEVICE_IGNORE); brltty takes USB serial converters for Braille displays,
 * which have the same ids.
 */
#include <dirent.h>
#include <libudev.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/text.h"
#include "doctor/check.h"

enum { COMM_MAX = 64 };

static void unrefp(struct udev **udev)
{
	if (*udev)
		udev_unref(*udev);
}

static void device_unrefp(struct udev_device **dev)
{
	if (*dev)
		udev_device_unref(*dev);
}

/* The process of that name (comm), or 0. */
static long find_process(const char *name)
{
	_cleanup_(kf_closedirp) DIR *proc = opendir("/proc");
	char path[PATH_MAX], comm[COMM_MAX];
	const struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		_cleanup_(kf_fclosep) FILE *f = NULL;

		if (entry->d_name[strspn(entry->d_name, "0123456789")] ||
		    !kf_text_format(path, sizeof(path), "/proc/%s/comm", entry->d_name))
			continue;
		f = fopen(path, "re");
		if (!f || !fgets(comm, sizeof(comm), f))
			continue;
		comm[strcspn(comm, "\n")] = '\0';
		if (strcmp(comm, name) == 0)
			return strtol(entry->d_name, NULL, 10);
	}
	return 0;
}

static bool marked(struct udev_device *dev)
{
	const char *value = dev ? udev_device_get_property_value(dev, "ID_MM_DEVICE_IGNORE") : NULL;

	return value && strcmp(value, "1") == 0;
}

/* The mark is on the USB device, or (older rules) on the tty. */
static bool ignored(struct udev *udev, const struct kf_board *board)
{
	_cleanup_(device_unrefp) struct udev_device *usb = NULL, *tty = NULL;
	const char *name = strrchr(board->tty, '/');

	if (!udev)
		return false;
	usb = udev_device_new_from_subsystem_sysname(udev, "usb", board->usb.port);
	if (name)
		tty = udev_device_new_from_subsystem_sysname(udev, "tty", name + 1);
	return marked(usb) || marked(tty);
}

static bool is_converter(const struct kf_board *board)
{
	static const char *const vendors[] = { "1a86", "10c4", "0403", "067b" };

	for (size_t i = 0; i < KF_ARRAY_SIZE(vendors); i++)
		if (strcmp(board->usb.vendor, vendors[i]) == 0)
			return true;
	return false;
}

static void check_modem_manager(struct kf_doctor *doctor)
{
	_cleanup_(unrefp) struct udev *udev = NULL;
	long pid = find_process("ModemManager");
	const struct kf_board *board;
	size_t open = 0;

	if (!pid) {
		kf_doctor_find(doctor, KF_HEALTH_OK, "ModemManager", NULL, "it does not run");
		return;
	}
	udev = udev_new();
	for (size_t i = 0; i < doctor->boards.count; i++) {
		board = &doctor->boards.list[i];
		if (!board->tty[0] || (!board->key[0] && board->mode == KF_MODE_OTHER) ||
		    ignored(udev, board))
			continue;
		open++;
		kf_doctor_find(doctor, KF_HEALTH_WRONG, "ModemManager",
			       "install kalico-flash's udev rules and plug the board in again, or: "
			       "sudo systemctl disable --now ModemManager",
			       "it runs (process %ld) and may take %s for a modem", pid,
			       kf_board_label(board));
	}
	if (!open)
		kf_doctor_find(doctor, KF_HEALTH_OK, "ModemManager", NULL,
			       "it runs (process %ld), and leaves all boards alone that are "
			       "plugged in",
			       pid);
}

static void check_brltty(struct kf_doctor *doctor)
{
	long pid = find_process("brltty");
	bool risk = false;

	for (size_t i = 0; i < doctor->boards.count; i++)
		risk |= is_converter(&doctor->boards.list[i]);
	if (!pid)
		kf_doctor_find(doctor, KF_HEALTH_OK, "brltty", NULL, "it does not run");
	else if (risk)
		kf_doctor_find(doctor, KF_HEALTH_WRONG, "brltty",
			       "unless you read Braille: sudo apt-get remove brltty",
			       "it runs (process %ld) and may take a board behind a USB serial "
			       "converter for a Braille display",
			       pid);
	else
		kf_doctor_find(doctor, KF_HEALTH_NOTE, "brltty",
			       "unless you read Braille: sudo apt-get remove brltty",
			       "it runs (process %ld); no board is plugged in that it would take",
			       pid);
}

void kf_doctor_rivals(struct kf_doctor *doctor)
{
	check_modem_manager(doctor);
	check_brltty(doctor);
}
