/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From udev's devices to boards. sysfs tells what the device says of itself, udev's
 * properties (which a mocked or a gone device may lack, or have instead) the rest.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <libudev.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "board/identity.h"
#include "core/text.h"
#include "usb/devices.h"

#define BY_ID	"/dev/serial/by-id/"
#define BY_PATH "/dev/serial/by-path/"

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

/* tty: the name of a USB serial port. Else: of a USB device, no interface of one, no root hub. */
static bool is_wanted(const char *name, bool tty)
{
	if (tty)
		return fnmatch("ttyACM*", name, 0) == 0 || fnmatch("ttyUSB*", name, 0) == 0;
	return isdigit((unsigned char)name[0]) && !strchr(name, ':');
}

static bool is_in(struct udev_device *dev, const char *subsystem)
{
	const char *its = udev_device_get_subsystem(dev);

	return its && strcmp(its, subsystem) == 0;
}

static bool is_serial(struct udev_device *dev)
{
	const char *name = udev_device_get_sysname(dev);

	return is_in(dev, "tty") && name && is_wanted(name, true);
}

/* The clean text of a sysfs attribute or, if that is empty, of a udev property. */
static void text(struct udev_device *parent, const char *attr, struct udev_device *dev,
		 const char *property, char *dst, size_t size)
{
	const char *value = parent ? udev_device_get_sysattr_value(parent, attr) : NULL;

	if (value && *value) {
		kf_text_clean(dst, size, value, strlen(value));
		return;
	}
	value = udev_device_get_property_value(dev, property);
	kf_udev_decode(value ? value : "", dst, size);
}

/* "1-1.2" of ".../usb1/1-1/1-1.2/1-1.2:1.0/tty/ttyACM0": also when the parents are gone. */
static void port_of(struct udev_device *dev, bool tty, char *dst, size_t size)
{
	const char *path = udev_device_get_devpath(dev), *colon, *start;

	if (!tty)
		path = udev_device_get_sysname(dev);
	colon = path && tty ? strrchr(path, ':') : path ? path + strlen(path) : NULL;
	for (start = colon; start && start > path && start[-1] != '/'; start--)
		;
	kf_text_clean(dst, size, start ? start : "", start ? (size_t)(colon - start) : 0);
}

/* The end of the by-id name of this tty, as udev's 60-serial.rules writes it. */
static void interface_of(struct udev_device *dev, char *dst, size_t size)
{
	struct udev_device *interface, *port;
	const char *number = NULL, *port_number = NULL;

	interface = udev_device_get_parent_with_subsystem_devtype(dev, "usb", "usb_interface");
	/* its parent, if any: a search would go up to the root where there is none */
	port = udev_device_get_parent(dev);
	if (interface)
		number = udev_device_get_sysattr_value(interface, "bInterfaceNumber");
	if (!number)
		number = udev_device_get_property_value(dev, "ID_USB_INTERFACE_NUM");
	if (port && is_in(port, "usb-serial"))
		port_number = udev_device_get_sysattr_value(port, "port_number");
	kf_text_format(dst, size, "if%.2s%s%.8s", number ? number : "00",
		       port_number ? "-port" : "", port_number ? port_number : "");
}

/* Does link lead to the tty of this name? 1, 0, or -errno if there is no such link. */
static int leads_to(int dir, const char *link, const char *tty)
{
	char target[KF_DEV_SIZE];
	ssize_t len = readlinkat(dir, link, target, sizeof(target) - 1);

	if (len < 0)
		return -errno;
	target[len] = '\0';
	return strcmp(basename(target), tty) == 0;
}

/*
 * The link in a folder that udev's DEVLINKS names. All converters without a serial
 * share one name and one of them has it, so a link that leads elsewhere is not ours.
 */
static void link_named(const char *links, const char *dir, const char *tty, char dst[KF_DEV_SIZE])
{
	char link[KF_DEV_SIZE], clean[KF_DEV_SIZE];

	for (size_t len; *links; links += len) {
		links += strspn(links, " ");
		len = strcspn(links, " ");
		if (len >= sizeof(link) || strncmp(links, dir, strlen(dir)) != 0)
			continue;
		kf_text_format(link, sizeof(link), "%.*s", (int)len, links);
		if (leads_to(AT_FDCWD, link, tty) == 0)
			continue;
		/* A port has one name for each way to it in newer systemd: take always the same. */
		if (kf_text_clean(clean, sizeof(clean), link, len) &&
		    (!*dst || strcmp(clean, dst) < 0))
			memcpy(dst, clean, sizeof(clean));
	}
}

/* The link that is there although udev's database does not name it. */
static void link_found(const char *dir, const char *tty, char dst[KF_DEV_SIZE])
{
	_cleanup_(kf_closedirp) DIR *d = opendir(dir);
	struct dirent *entry;
	char path[KF_DEV_SIZE];

	while (d && (entry = readdir(d)))
		if (leads_to(dirfd(d), entry->d_name, tty) == 1 &&
		    kf_text_format(path, sizeof(path), "%s%s", dir, entry->d_name) &&
		    (!*dst || strcmp(path, dst) < 0))
			kf_text_clean(dst, KF_DEV_SIZE, path, strlen(path));
}

static void links_of(struct udev_device *dev, struct kf_board *board)
{
	const char *links = udev_device_get_property_value(dev, "DEVLINKS");
	const char *tty = udev_device_get_sysname(dev);

	if (links) {
		link_named(links, BY_ID, tty, board->by_id);
		link_named(links, BY_PATH, tty, board->by_path);
		return;
	}
	link_found(BY_ID, tty, board->by_id);
	link_found(BY_PATH, tty, board->by_path);
}

/*
 * A bootloader has no tty, so no interface of class 02. Smoothieware has one, and the USB ids of
 * its bootloader.
 */
static bool is_loader(struct udev_device *dev, const struct kf_usb *usb)
{
	const char *interfaces;

	if (!kf_identity_bootloader(usb))
		return false;
	interfaces = udev_device_get_property_value(dev, "ID_USB_INTERFACES");
	return !(interfaces && strstr(interfaces, ":02"));
}

/* Read the USB ids and strings of the device of dev, a tty or not. False: no ids. */
static bool read_usb(struct udev_device *dev, bool tty, struct kf_usb *usb)
{
	struct udev_device *parent = dev;

	if (tty)
		parent = udev_device_get_parent_with_subsystem_devtype(dev, "usb", "usb_device");
	text(parent, "idVendor", dev, "ID_VENDOR_ID", usb->vendor, sizeof(usb->vendor));
	text(parent, "idProduct", dev, "ID_MODEL_ID", usb->product, sizeof(usb->product));
	if (!usb->vendor[0])
		return false;
	text(parent, "manufacturer", dev, "ID_VENDOR_ENC", usb->manufacturer,
	     sizeof(usb->manufacturer));
	text(parent, "product", dev, "ID_MODEL_ENC", usb->model, sizeof(usb->model));
	text(parent, "serial", dev, "ID_SERIAL_SHORT", usb->serial, sizeof(usb->serial));
	port_of(dev, tty, usb->port, sizeof(usb->port));
	return true;
}

/* Is it a bridge of Klipper's, not a mere USB-to-CAN adapter? */
static bool is_bridge(const struct kf_usb *usb)
{
	return kf_identity_bridge(usb) && kf_identity_mode(usb) == KF_MODE_KLIPPER;
}

/* The first network interface below an interface of the device: PORT:1.0/net/can0. */
static void interface_below(const char *device, const char *port, char *dst, size_t size)
{
	_cleanup_(kf_closedirp) DIR *dir = opendir(device);
	const struct dirent *entry;
	char path[PATH_MAX];
	size_t len = strlen(port);

	while (dir && !dst[0] && (entry = readdir(dir))) {
		_cleanup_(kf_closedirp) DIR *net = NULL;

		if (strncmp(entry->d_name, port, len) != 0 || entry->d_name[len] != ':' ||
		    !kf_text_format(path, sizeof(path), "%s/%s/net", device, entry->d_name))
			continue;
		net = opendir(path);
		while (net && !dst[0] && (entry = readdir(net)))
			if (entry->d_name[0] != '.')
				kf_text_clean(dst, size, entry->d_name, strlen(entry->d_name));
	}
}

/* A bridge is a node of its own bus: the serial number of its chip tells its UUID there. */
static void set_bridge(struct udev_device *dev, struct kf_board *board)
{
	const char *path = udev_device_get_syspath(dev);

	board->link.type = KF_WIRE_CAN;
	if (kf_serial_unique(board->usb.serial))
		IGNORE_RESULT(kf_can_uuid_from_serial(board->usb.serial, board->link.uuid));
	if (path)
		interface_below(path, board->usb.port, board->link.interface,
				sizeof(board->link.interface));
}

bool kf_usb_board(struct udev_device *dev, struct kf_board *ret)
{
	struct kf_board board = { .connected = true };
	struct kf_usb *usb = &board.usb;
	bool tty = is_serial(dev);
	const char *node;

	if (!read_usb(dev, tty, usb) || (!tty && !is_loader(dev, usb) && !is_bridge(usb)))
		return false;
	board.mode = tty && kf_identity_bootloader(usb) ? KF_MODE_OTHER : kf_identity_mode(usb);
	if (tty) {
		node = udev_device_get_devnode(dev);
		kf_text_clean(board.tty, sizeof(board.tty), node ? node : "",
			      node ? strlen(node) : 0);
		interface_of(dev, usb->interface, sizeof(usb->interface));
		links_of(dev, &board);
	}
	/* Klipper and Katapult speak on the first port; a second one is for something else. */
	if (tty && board.mode != KF_MODE_OTHER && strcmp(usb->interface, "if00") != 0) {
		board.mode = KF_MODE_OTHER;
		kf_text_format(board.reason, sizeof(board.reason), "a second port of its device");
	}
	kf_identity_mcu(usb, board.mcu);
	if (!tty && is_bridge(usb)) {
		set_bridge(dev, &board);
		*ret = board;
		return true;
	}
	board.link.type = tty ? KF_WIRE_USB_SERIAL : KF_WIRE_USB;
	KF_COPY(board.link.path, board.by_id[0] ? board.by_id : board.tty);
	*ret = board;
	return true;
}

int kf_boards_add(struct kf_boards *boards, const struct kf_board *board)
{
	struct kf_board *list;

	list = reallocarray(boards->list, boards->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	boards->list = list;
	boards->list[boards->count++] = *board;
	return 0;
}

void kf_boards_free(struct kf_boards *boards)
{
	free(boards->list);
	*boards = (struct kf_boards){ 0 };
}

/* udev has set owner and links; or there is no udev, and the device can be had as it is. */
static bool is_settled(struct udev_device *dev)
{
	const char *node = udev_device_get_devnode(dev);

	return udev_device_get_is_initialized(dev) > 0 || !node || access(node, R_OK | W_OK) == 0;
}

/*
 * The inode of the device's uevent; 0 if there is none. When a device leaves, the kernel removes
 * its attributes one by one: uevent first, those of its parents later (device_del). So everything
 * that was read between two equal inodes is complete.
 */
static ino_t uevent_inode(struct udev_device *dev)
{
	char uevent[PATH_MAX];
	struct stat st;

	if (!kf_text_format(uevent, sizeof(uevent), "%s/uevent", udev_device_get_syspath(dev)) ||
	    stat(uevent, &st) < 0)
		return 0;
	return st.st_ino;
}

/*
 * Read the devices in a folder of sysfs. udev_enumerate(3) would look at all parents of each device
 * up to the root, which takes longer than all the rest of a scan.
 */
static int collect(struct udev *udev, bool tty, bool settled, struct kf_boards *boards)
{
	_cleanup_(kf_closedirp) DIR *dir = opendir(tty ? "/sys/class/tty" : "/sys/bus/usb/devices");
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (entry = readdir(dir))) {
		_cleanup_(device_unrefp) struct udev_device *dev = NULL;
		struct kf_board board;
		ino_t inode;

		if (!is_wanted(entry->d_name, tty))
			continue;
		/* NULL if it left meanwhile */
		dev = udev_device_new_from_subsystem_sysname(udev, tty ? "tty" : "usb",
							     entry->d_name);
		inode = dev ? uevent_inode(dev) : 0;
		if (inode && kf_usb_board(dev, &board) && (!settled || is_settled(dev)) &&
		    uevent_inode(dev) == inode)
			r = kf_boards_add(boards, &board);
	}
	return r;
}

static int by_port(const void *a, const void *b)
{
	const struct kf_board *x = a, *y = b;
	int r = strverscmp(x->usb.port, y->usb.port);

	return r ? r : strverscmp(x->tty, y->tty);
}

static int scan(struct udev *udev, bool settled, struct kf_boards *ret, struct kf_error *err)
{
	_cleanup_(kf_boards_free) struct kf_boards boards = { 0 };
	int r = collect(udev, true, settled, &boards);

	if (r == 0)
		r = collect(udev, false, settled, &boards);
	if (r < 0)
		return kf_fail_sys(err, -r, "cannot list the USB devices");
	if (boards.count > 0)
		qsort(boards.list, boards.count, sizeof(*boards.list), by_port);
	*ret = boards;
	boards = (struct kf_boards){ 0 }; /* ret owns the list */
	return 0;
}

int kf_usb_scan_settled(struct udev *udev, struct kf_boards *ret, struct kf_error *err)
{
	return scan(udev, true, ret, err);
}

/* The USB device of this name in sysfs, whatever it is. */
static bool read_device(struct udev *udev, const char *name, struct kf_board *ret)
{
	_cleanup_(device_unrefp) struct udev_device *dev =
		udev_device_new_from_subsystem_sysname(udev, "usb", name);
	struct kf_board device = { .connected = true };
	ino_t inode = dev ? uevent_inode(dev) : 0;

	if (!inode || !read_usb(dev, false, &device.usb))
		return false;
	device.mode = kf_identity_mode(&device.usb);
	kf_identity_mcu(&device.usb, device.mcu);
	if (uevent_inode(dev) != inode)
		return false;
	*ret = device;
	return true;
}

bool kf_usb_device(const char *port, struct kf_board *ret)
{
	_cleanup_(unrefp) struct udev *udev = udev_new();

	return udev && is_wanted(port, false) && !strchr(port, '/') && read_device(udev, port, ret);
}

int kf_usb_scan(struct kf_boards *ret, struct kf_error *err)
{
	_cleanup_(unrefp) struct udev *udev = udev_new();

	if (!udev)
		return kf_fail_sys(err, errno, "cannot use udev");
	return scan(udev, false, ret, err);
}
