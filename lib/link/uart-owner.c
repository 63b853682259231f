/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"
#include "link/uart-owner.h"

/* A line of /proc/consoles: "ttyAMA0  -W- (EC p  )  204:64"; E is an enabled one. */
static bool is_console(const char *line, const char *tty)
{
	char name[64], flags[32];

	return sscanf(line, "%63s %*s (%31[^)])", name, flags) == 2 && strcmp(name, tty) == 0 &&
	       strchr(flags, 'E');
}

static bool has_console(const char *root, const char *tty)
{
	_cleanup_(kf_fclosep) FILE *f = NULL;
	char path[PATH_MAX], line[256];

	if (kf_text_format(path, sizeof(path), "%s/proc/consoles", root))
		f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (is_console(line, tty))
			return true;
	return false;
}

/* Devices that the kernel itself drives at the end of a UART: "serial0-0", with a driver. */
static bool has_bluetooth(const char *root)
{
	_cleanup_(kf_closedirp) DIR *devices = NULL;
	char path[PATH_MAX], driver[PATH_MAX];
	const struct dirent *entry;
	ssize_t len;

	if (kf_text_format(path, sizeof(path), "%s/sys/bus/serial/devices", root))
		devices = opendir(path);
	while (devices && (entry = readdir(devices))) {
		if (!kf_text_format(path, sizeof(path), "%s/sys/bus/serial/devices/%s/driver", root,
				    entry->d_name))
			continue;
		len = readlink(path, driver, sizeof(driver) - 1);
		if (len > 0 && memmem(driver, (size_t)len, "hci_uart", strlen("hci_uart")))
			return true;
	}
	return false;
}

/*
 * The tty's own name: /dev/serial0 is a link beside it. Not by realpath(3): umockdev's, under which
 * the tests run, destroys the stack where a mocked tty is a link to a pty.
 */
static void find_tty(const char *path, char ret[PATH_MAX])
{
	char target[PATH_MAX];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	target[len > 0 ? len : 0] = '\0';
	path = len > 0 ? target : path;
	kf_text_format(ret, PATH_MAX, "%s", basename(path));
}

int kf_uart_free(const char *root, const char *path, struct kf_error *err)
{
	char whole[PATH_MAX], tty[PATH_MAX];

	if (!kf_text_format(whole, sizeof(whole), "%s%s", root, path))
		return 0;
	if (access(whole, F_OK) < 0) {
		if (!has_bluetooth(root))
			return 0;
		kf_fail(err, KF_BUSY,
			"%s: there is no such port; Bluetooth has a UART of this host", path);
		return kf_error_hint(err, "on a Raspberry Pi: add dtoverlay=disable-bt to "
					  "/boot/firmware/config.txt, then reboot");
	}
	find_tty(whole, tty);
	if (!has_console(root, tty))
		return 0;
	kf_fail(err, KF_BUSY, "%s: the kernel's console is on this port", path);
	return kf_error_hint(
		err,
		"take console=serial0,115200 or console=%s,... out of the kernel's command "
		"line (Raspberry Pi: /boot/firmware/cmdline.txt), then reboot",
		tty);
}
