/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <libudev.h>
#include <string.h>

#include "core/process.h"
#include "usb/grabbers.h"
#include "usb/holder.h"

const struct kf_grabber kf_grabbers[KF_GRABBERS] = {
	{ "ModemManager",
	  "a modem",
	  "ID_MM_DEVICE_IGNORE",
	  { "it opens boards as modems: sudo systemctl mask --now ModemManager; or keep it, with "
	    "a line ATTRS{idVendor}==\"",
	    "\", ENV{ID_MM_DEVICE_IGNORE}=\"1\" in /etc/udev/rules.d/60-printer-boards.rules, "
	    "then sudo udevadm control --reload, and plug the board in again" } },
	{ "brltty",
	  "a Braille display",
	  NULL,
	  { "it opens boards (USB vendor ",
	    ") as Braille displays: sudo apt remove brltty, or sudo systemctl mask --now "
	    "brltty.service brltty-udev.service; then plug the board in again" } },
};

const struct kf_grabber *kf_grabber_find(const struct kf_holder *holder)
{
	for (size_t i = 0; i < KF_GRABBERS; i++) {
		size_t len = strlen(kf_grabbers[i].name);

		if (strncmp(holder->command, kf_grabbers[i].name, len) == 0 ||
		    strncmp(holder->unit, kf_grabbers[i].name, len) == 0)
			return &kf_grabbers[i];
	}
	return NULL;
}

pid_t kf_grabber_process(const struct kf_grabber *grabber)
{
	_cleanup_(kf_closedirp) DIR *proc = opendir("/proc");
	pid_t pid;

	while ((pid = kf_process_next(proc)))
		if (strcmp(kf_holder_of(pid).command, grabber->name) == 0)
			break;
	return pid;
}

static bool has_mark(struct udev *udev, const char *subsystem, const char *name, const char *mark)
{
	struct udev_device *dev = udev_device_new_from_subsystem_sysname(udev, subsystem, name);
	const char *value = dev ? udev_device_get_property_value(dev, mark) : NULL;
	bool marked = value && strcmp(value, "1") == 0;

	if (dev)
		udev_device_unref(dev);
	return marked;
}

/* The mark is on the USB device, or (older rules) on the tty. */
static bool is_marked(const struct kf_board *board, const char *mark)
{
	struct udev *udev = udev_new();
	const char *name = strrchr(board->tty, '/');
	bool marked;

	if (!udev)
		return false;
	marked = has_mark(udev, "usb", board->usb.port, mark) ||
		 (name && has_mark(udev, "tty", name + 1, mark));
	udev_unref(udev);
	return marked;
}

static bool is_converter(const struct kf_board *board)
{
	static const char *const vendors[] = { "1a86", "10c4", "0403", "067b" };

	for (size_t i = 0; i < KF_ARRAY_SIZE(vendors); i++)
		if (strcmp(board->usb.vendor, vendors[i]) == 0)
			return true;
	return false;
}

bool kf_grabber_wants(const struct kf_grabber *grabber, const struct kf_board *board)
{
	if (!grabber->mark)
		return is_converter(board);
	return board->tty[0] && (board->key[0] || board->mode != KF_MODE_OTHER) &&
	       !is_marked(board, grabber->mark);
}
