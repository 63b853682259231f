/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <libudev.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"
#include "usb/rules.h"

enum { RULES_MAX = 1 << 20, GROUPS_MAX = 256 };

static bool contains(const gid_t *groups, int count, gid_t gid)
{
	for (int i = 0; i < count; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

bool kf_in_group(gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	int count = getgroups(GROUPS_MAX, groups);

	return getegid() == gid || contains(groups, count, gid);
}

void kf_group_remedy(gid_t gid, const char *group, char *ret, size_t size)
{
	const struct passwd *user = getpwuid(geteuid());
	gid_t groups[GROUPS_MAX];
	int count = GROUPS_MAX;

	if (user && getgrouplist(user->pw_name, user->pw_gid, groups, &count) >= 0 &&
	    contains(groups, count, gid))
		kf_text_format(ret, size, "log out and in again: you have joined %s since then",
			       group);
	else
		kf_text_format(ret, size, "sudo usermod -aG %s %s, then log in again", group,
			       user ? user->pw_name : "USER");
}

bool kf_usb_node(const char *port, char ret[KF_DEV_SIZE])
{
	struct udev *udev = udev_new();
	struct udev_device *dev =
		udev ? udev_device_new_from_subsystem_sysname(udev, "usb", port) : NULL;
	const char *node = dev ? udev_device_get_devnode(dev) : NULL;
	bool known = node && kf_text_format(ret, KF_DEV_SIZE, "%s", node);

	if (dev)
		udev_device_unref(dev);
	if (udev)
		udev_unref(udev);
	return known;
}

/* The value that line assigns to name ("GROUP"), into ret; false: it assigns none. */
static bool assigned(const char *line, const char *name, char *ret, size_t size)
{
	size_t len = strlen(name);

	for (const char *at = line; (at = strstr(at, name)); at++) {
		const char *value = at + len + (at[len] == ':' || at[len] == '+');

		if (value[0] != '=' || value[1] != '"')
			continue;
		value += 2;
		kf_text_clean(ret, size, value, strcspn(value, "\""));
		return true;
	}
	return false;
}

static bool is_about(const char *line, const char *vendor, const char *product)
{
	return line[0] != '#' && strstr(line, "{idVendor}==") && strcasestr(line, vendor) &&
	       (!strstr(line, "{idProduct}==") || strcasestr(line, product));
}

/* Does the line allow this user? If not, group gets the group that it allows. */
static bool admits(const char *line, char group[KF_NAME_SIZE])
{
	char mode[16] = "0664", tag[32] = ""; /* udev's default for a USB device */
	const struct group *found;
	unsigned long bits;

	assigned(line, "MODE", mode, sizeof(mode));
	bits = strtoul(mode, NULL, 8);
	if ((bits & 06) == 06)
		return true;
	if (assigned(line, "TAG", tag, sizeof(tag)) && strcmp(tag, "uaccess") == 0 &&
	    getenv("XDG_SEAT"))
		return true;
	if ((bits & 060) != 060 || !assigned(line, "GROUP", group, KF_NAME_SIZE))
		return false;
	found = getgrnam(group);
	return found && kf_in_group(found->gr_gid);
}

static bool file_admits(const char *path, const char *vendor, const char *product,
			char group[KF_NAME_SIZE])
{
	_cleanup_(kf_freep) char *text = NULL;
	char *rest, *line;
	size_t len;

	if (kf_file_read(path, RULES_MAX, &text, &len, NULL) < 0)
		return false;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		/* A line that ends with a backslash goes on in the next one. */
		while (rest && line[0] && rest[-2] == '\\') {
			rest[-2] = rest[-1] = ' ';
			IGNORE_RESULT(strsep(&rest, "\n"));
		}
		line += strspn(line, " \t");
		if (is_about(line, vendor, product) && admits(line, group))
			return true;
	}
	return false;
}

static int refuse(const char *vendor, const char *product, const char *group, struct kf_error *err)
{
	const struct group *found = group[0] ? getgrnam(group) : NULL;
	char remedy[KF_NAME_SIZE + 64];

	kf_fail(err, KF_PERMISSION, "you may not open its bootloader (USB %s:%s): %s%s", vendor,
		product, group[0] ? "udev gives it to the group " : "no udev rule names it", group);
	if (found) {
		kf_group_remedy(found->gr_gid, group, remedy, sizeof(remedy));
		kf_error_hint(err, "%s", remedy);
	} else {
		kf_error_hint(err, "install the udev rules of kalico-flash "
				   "(60-kalico-flash.rules), then: sudo udevadm control --reload");
	}
	return kf_code_errno(KF_PERMISSION);
}

/* A rule allows this user, but the node does not: the rule is newer than the node. */
static int refuse_node(const struct kf_board *board, struct kf_error *err)
{
	kf_fail(err, KF_PERMISSION, "you may not open the device on USB port %s (%s:%s)",
		board->usb.port, board->usb.vendor, board->usb.product);
	return kf_error_hint(err,
			     "sudo udevadm trigger: udev then applies the rule that allows it");
}

int kf_usb_check_rule(const struct kf_board *board, const char *vendor, const char *product,
		      struct kf_error *err)
{
	static const char *const folders[] = { "/etc/udev/rules.d", "/run/udev/rules.d",
					       "/usr/local/lib/udev/rules.d",
					       "/usr/lib/udev/rules.d", "/lib/udev/rules.d" };
	const char *only = getenv("KF_UDEV_RULES");
	size_t count = only ? 1 : KF_ARRAY_SIZE(folders);
	char group[KF_NAME_SIZE] = "", node[KF_DEV_SIZE], pattern[PATH_MAX];
	glob_t files = { 0 };
	bool known = board && kf_usb_node(board->usb.port, node);
	int right = known ? access(node, R_OK | W_OK) : -1;
	bool closed = known && right < 0 && errno == EACCES;
	bool admitted = !only && (geteuid() == 0 || right == 0);

	for (size_t i = 0; !admitted && i < count; i++)
		if (kf_text_format(pattern, sizeof(pattern), "%s/*.rules",
				   only ? only : folders[i]))
			glob(pattern, i ? GLOB_APPEND : 0, NULL, &files);
	for (size_t i = 0; !admitted && i < files.gl_pathc; i++)
		admitted = file_admits(files.gl_pathv[i], vendor, product, group);
	globfree(&files);
	if (!admitted)
		return refuse(vendor, product, group, err);
	return closed && strcmp(board->usb.vendor, vendor) == 0 &&
			       strcmp(board->usb.product, product) == 0
		       ? refuse_node(board, err)
		       : 0;
}
