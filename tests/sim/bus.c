/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <umockdev.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"
#include "sim/bus.h"
#include "sim/uevent.h"
#include "sim/usbfs.h"
#include "sim/vcan.h"

#define SOCKET_ROOM 64 /* sockaddr_un's 108 bytes have to hold more than the root */

/*
 * Every ioctl on what clients open below /dev comes here first, on a thread of umockdev's. A
 * pty has no modem lines, a USB serial port does. TIOCEXCL would outlast its client there, since
 * we keep the pty from its last close. All else is the pty's own business.
 */
static gboolean handle_ioctl(UMockdevIoctlBase *base, UMockdevIoctlClient *client, void *unused)
{
	gulong request = umockdev_ioctl_client_get_request(client);
	int result = 0, errnum = 0;

	(void)base;
	(void)unused;
	/* A client that has opened a USB device's node in the moment in which it was removed. */
	if (_IOC_TYPE(request) == 'U') {
		umockdev_ioctl_client_complete(client, -1, ENODEV);
		return TRUE;
	}
	if (request != TIOCMBIS && request != TIOCMBIC && request != TIOCMSET &&
	    request != TIOCEXCL && request != TIOCNXCL)
		result = umockdev_ioctl_client_execute(client, &errnum, NULL);
	umockdev_ioctl_client_complete(client, result, errnum);
	return TRUE;
}

/* In the place of umockdev's own handler, which refuses all that it does not know. */
static int replace_handler(struct sim_bus *bus, struct kf_error *err)
{
	g_autoptr(UMockdevIoctlBase) handler = umockdev_ioctl_base_new();
	g_autoptr(GError) error = NULL;
	char path[300];

	snprintf(path, sizeof(path), "%s/ioctl/_default", bus->root);
	if (unlink(path) < 0)
		return kf_fail_sys(err, errno, "%s", path);
	g_signal_connect(handler, "handle-ioctl", G_CALLBACK(handle_ioctl), NULL);
	if (!umockdev_testbed_attach_ioctl(bus->testbed, "_default", handler, &error))
		return kf_fail(err, KF_INTERNAL, "umockdev: %s", error->message);
	return 0;
}

int sim_bus_open(struct sim_bus *bus, struct kf_error *err)
{
	const char *tmp = getenv("TMPDIR");

	*bus = (struct sim_bus){ .devnum = 1 };
	if (tmp && strlen(tmp) > SOCKET_ROOM)
		return kf_fail(err, KF_CONFIG, "TMPDIR is too long for a socket's path: %s", tmp);
	bus->testbed = umockdev_testbed_new();
	g_autofree char *root = umockdev_testbed_get_root_dir(bus->testbed);
	kf_text_format(bus->root, sizeof(bus->root), "%s", root);
	if (!umockdev_in_mock_environment())
		return replace_handler(bus, err);
	sim_bus_close(bus);
	return kf_fail(err, KF_CONFIG, "kf-sim cannot run under umockdev's preload library itself");
}

void sim_bus_close(struct sim_bus *bus)
{
	if (bus->testbed)
		g_object_unref(bus->testbed);
	bus->testbed = NULL;
	if (bus->root[0] && kf_dir_remove(bus->root, NULL) == 0)
		bus->root[0] = '\0';
}

/* The lines of a device's uevent file; the caller frees. */
static char *properties_of(const struct sim_bus *bus, const char *path)
{
	char file[1024], *text;
	size_t len;

	kf_text_format(file, sizeof(file), "%s/sys%s/uevent", bus->root, path);
	return kf_file_read(file, 1 << 16, &text, &len, NULL) == 0 ? text : NULL;
}

/* Takes s, which describes the device at path. */
static int add(struct sim_bus *bus, const char *path, GString *s, struct kf_error *err)
{
	_cleanup_(kf_freep) char *properties = NULL;
	g_autoptr(GString) text = s;
	g_autoptr(GError) error = NULL;

	if (!umockdev_testbed_add_from_string(bus->testbed, text->str, &error))
		return kf_fail(err, KF_INTERNAL, "umockdev: %s", error->message);
	properties = properties_of(bus, path);
	if (properties)
		sim_uevent_send(bus->root, path, "add", properties);
	return 0;
}

/* A root hub or hub that is not there yet. */
static int add_hub(struct sim_bus *bus, const char *path, int busnum, struct kf_error *err)
{
	char real[1024];

	kf_text_format(real, sizeof(real), "%s/sys%s/uevent", bus->root, path);
	if (access(real, F_OK) == 0)
		return 0;
	return add(bus, path, sim_describe_hub(path, busnum, bus->devnum++), err);
}

static int add_hubs(struct sim_bus *bus, const char *port, struct kf_error *err)
{
	char name[64], path[256];
	int r;

	sim_device_path(port, path, sizeof(path));
	*strstr(path, "/usb") = '\0';
	snprintf(name, sizeof(name), "/usb%c", port[0]);
	strcat(path, name);
	r = add_hub(bus, path, atoi(port), err);
	for (const char *dot = strchr(port, '.'); r == 0 && dot; dot = strchr(dot + 1, '.')) {
		snprintf(name, sizeof(name), "%.*s", (int)(dot - port), port);
		sim_device_path(name, path, sizeof(path));
		r = add_hub(bus, path, atoi(port), err);
	}
	return r;
}

static int make_link(const struct sim_bus *bus, const char *name, const char *target,
		     struct kf_error *err)
{
	char path[1024];

	if (!kf_text_format(path, sizeof(path), "%s/dev/%s", bus->root, name))
		return kf_fail(err, KF_CONFIG, "too long: %s", name);
	if (kf_dir_make_parent(path, err) < 0)
		return -EIO;
	/* If two devices have one name, the link points to the last one, as udev does it. */
	if (unlink(path) < 0 && errno != ENOENT)
		return kf_fail_sys(err, errno, "%s", path);
	return symlink(target, path) < 0 ? kf_fail_sys(err, errno, "%s", path) : 0;
}

/* The node and its links have to be there before the event is. */
static int make_node(const struct sim_bus *bus, const struct sim_node *node, const char *slave,
		     struct kf_error *err)
{
	const char *links[] = { node->by_id, node->by_path };
	int r = make_link(bus, node->name, slave, err);
	char target[64];

	kf_text_format(target, sizeof(target), "../../%s", node->name);
	for (size_t i = 0; r == 0 && i < KF_ARRAY_SIZE(links); i++)
		r = make_link(bus, links[i], target, err);
	return r;
}

static int name_tty(struct sim_bus *bus, const struct sim_identity *id, struct sim_node *node,
		    struct kf_error *err)
{
	bool *used = bus->used[id->adapter];

	while (node->number < SIM_PORTS_MAX && used[node->number])
		node->number++;
	if (node->number == SIM_PORTS_MAX)
		return kf_fail(err, KF_CONFIG, "more than %d ttys", SIM_PORTS_MAX);
	used[node->number] = true;
	node->adapter = id->adapter;
	kf_text_format(node->name, sizeof(node->name), "tty%s%u", id->adapter ? "USB" : "ACM",
		       node->number);
	sim_node_link(id, node);
	return 0;
}

/* The port of the hub, which stays when its device goes. */
static int add_port(const struct sim_bus *bus, const char *port, const char *device,
		    struct kf_error *err)
{
	const char *dot = strrchr(port, '.'), *last = dot ? dot : strchr(port, '-');
	int len, above = (int)(strrchr(device, '/') - device);
	const char *root = dot ? "" : "-0", *usb = dot ? "" : "usb";
	char path[1024], target[512];

	if (!last)
		return kf_fail(err, KF_CONFIG, "%s is no USB port", port);
	len = (int)(last - port);
	kf_text_format(path, sizeof(path), "%s/sys%.*s/%.*s%s:1.0/%s%.*s-port%s", bus->root, above,
		       device, len, port, root, usb, len, port, last + 1);
	if (kf_dir_make(path, err) < 0)
		return -EIO;
	kf_text_format(path, sizeof(path), "%s/sys/bus/usb/devices/%.*s%s:1.0", bus->root, len,
		       port, root);
	kf_text_format(target, sizeof(target), "../../..%.*s/%.*s%s:1.0", above, device, len, port,
		       root);
	return symlink(target, path) < 0 && errno != EEXIST ? kf_fail_sys(err, errno, "%s", path)
							    : 0;
}

struct paths {
	char interface[400], serial[500], tty[600], net[500];
};

static struct paths paths_of(const struct sim_node *node)
{
	struct paths p;

	snprintf(p.interface, sizeof(p.interface), "%s%s:1.0", node->path,
		 strrchr(node->path, '/'));
	snprintf(p.serial, sizeof(p.serial), "%s/%s", p.interface, node->name);
	snprintf(p.net, sizeof(p.net), "%s/net/%s", p.interface, node->net);
	snprintf(p.tty, sizeof(p.tty), "%s/tty/%s", node->adapter ? p.serial : p.interface,
		 node->name);
	return p;
}

static int add_tty(struct sim_bus *bus, const struct sim_identity *id, const char *slave,
		   struct sim_node *node, struct kf_error *err)
{
	int r = name_tty(bus, id, node, err);
	struct paths paths;

	paths = paths_of(node);
	if (r == 0 && id->adapter)
		r = add(bus, paths.serial, sim_describe_serial(id, node), err);
	if (r == 0)
		r = make_node(bus, node, slave, err);
	if (r == 0)
		r = add(bus, paths.tty, sim_describe_tty(id, node), err);
	return r;
}

/* The kernel's interface is there before its device shows. */
static int add_net(struct sim_bus *bus, const struct sim_identity *id, struct sim_node *node,
		   struct kf_error *err)
{
	int r = sim_vcan_add(id->net, !id->net_down, err);

	kf_text_format(node->net, sizeof(node->net), "%s", id->net);
	if (r == 0)
		r = add(bus, paths_of(node).net, sim_describe_net(id, paths_of(node).net), err);
	return r;
}

/* The host's own, which is not on USB; /dev/serial0 is a link to it. */
static int add_uart(struct sim_bus *bus, const struct sim_identity *id, const char *slave,
		    struct sim_node *ret, struct kf_error *err)
{
	struct sim_node node = { .present = true, .path = SIM_UART_PATH };
	int r;

	kf_text_format(node.name, sizeof(node.name), "%s", id->uart);
	r = add(bus, node.path, sim_describe_uart(), err);
	if (r == 0)
		r = make_link(bus, node.name, slave, err);
	if (r == 0)
		r = make_link(bus, "serial0", node.name, err);
	kf_text_format(node.tty, sizeof(node.tty), "%s/tty/%s", node.path, id->uart);
	if (r == 0)
		r = add(bus, node.tty, sim_describe_uart_tty(id), err);
	if (r == 0)
		*ret = node;
	return r;
}

/* The USB device's own node, which programs with libusb open. */
static int add_raw(struct sim_bus *bus, const struct sim_identity *id, struct sim_node *node,
		   struct kf_error *err)
{
	if (!id->tty)
		kf_text_format(node->raw, sizeof(node->raw), "bus/usb/%03d/%03u", atoi(id->port),
			       bus->devnum);
	if (!id->device)
		return 0;
	return sim_usbfs_new(bus->testbed, bus->root, node->raw, id->device, &node->usbfs, err);
}

int sim_bus_add(struct sim_bus *bus, const struct sim_identity *id, const char *slave,
		struct sim_node *ret, struct kf_error *err)
{
	struct sim_node node = { .present = true };
	struct paths paths;
	char real[1024];
	int r;

	if (id->uart[0])
		return add_uart(bus, id, slave, ret, err);
	sim_device_path(id->port, node.path, sizeof(node.path));
	paths = paths_of(&node);
	kf_text_format(real, sizeof(real), "%s/sys%s/uevent", bus->root, node.path);
	if (access(real, F_OK) == 0)
		return kf_fail(err, KF_BUSY, "USB port %s has a device already", id->port);
	r = add_hubs(bus, id->port, err);
	if (r == 0)
		r = add_raw(bus, id, &node, err);
	if (r == 0)
		r = add(bus, node.path, sim_describe_device(id, node.path, bus->devnum), err);
	if (r == 0)
		r = add_port(bus, id->port, node.path, err);
	bus->devnum++;
	if (r == 0)
		r = add(bus, paths.interface, sim_describe_interface(id, node.path), err);
	if (r == 0 && id->tty)
		r = add_tty(bus, id, slave, &node, err);
	if (r == 0 && id->net[0])
		r = add_net(bus, id, &node, err);
	if (r == 0)
		*ret = node;
	else
		sim_usbfs_free(&node.usbfs);
	return r;
}

void sim_bus_run(const struct sim_node *node, sim_usb_answer_fn *answer, void *context)
{
	if (node->usbfs)
		sim_usbfs_run(node->usbfs, answer, context);
}

int sim_bus_fd(const struct sim_node *node)
{
	return node->usbfs ? sim_usbfs_fd(node->usbfs) : -1;
}

/* Remove a link of ours, unless another device has taken it. */
static void unlink_own(const struct sim_bus *bus, const char *link, const char *name)
{
	char path[1024], target[64] = "", want[64];

	kf_text_format(path, sizeof(path), "%s/dev/%s", bus->root, link);
	kf_text_format(want, sizeof(want), "../../%s", name);
	if (readlink(path, target, sizeof(target) - 1) > 0 && strcmp(target, want) == 0)
		unlink(path);
}

/* Remove what fmt says, below the root. */
static void unlink_in(const struct sim_bus *bus, const char *fmt, ...) _printf_(2, 3);

static void unlink_in(const struct sim_bus *bus, const char *fmt, ...)
{
	char path[1024];
	va_list ap;
	int n = snprintf(path, sizeof(path), "%s/", bus->root);

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	va_end(ap);
	unlink(path);
}

/* Hide this device, below path in /sys, from all that look for devices. */
static void hide(const struct sim_bus *bus, const char *class, const char *path)
{
	_cleanup_(kf_freep) char *number = NULL;
	char file[1024];
	size_t len;

	unlink_in(bus, "sys/%s/%s", class, strrchr(path, '/') + 1);
	kf_text_format(file, sizeof(file), "%s/sys%s/dev", bus->root, path);
	if (kf_file_read(file, 32, &number, &len, NULL) == 0)
		unlink_in(bus, "sys/dev/char/%.*s", (int)strcspn(number, "\n"), number);
}

static void vanish(struct sim_bus *bus, const char *path)
{
	_cleanup_(kf_freep) char *properties = properties_of(bus, path);
	char real[1024];

	unlink_in(bus, "sys%s/uevent", path); /* as the kernel does: before any other attribute */
	kf_text_format(real, sizeof(real), "%s/sys%s", bus->root, path);
	if (kf_dir_remove(real, NULL) < 0)
		g_warning("cannot remove %s", real);
	if (properties)
		sim_uevent_send(bus->root, path, "remove", properties);
}

static void remove_uart(struct sim_bus *bus, struct sim_node *node)
{
	unlink_in(bus, "dev/%s", node->name);
	unlink_in(bus, "dev/.node/%s", node->name);
	unlink_in(bus, "dev/serial0");
	hide(bus, "class/tty", node->tty);
	vanish(bus, node->tty);
	vanish(bus, node->path);
	*node = (struct sim_node){ 0 };
}

/* Children first, each with its own event, and none before it can no longer be found. */
void sim_bus_remove(struct sim_bus *bus, struct sim_node *node)
{
	struct paths paths;

	if (!node->present)
		return;
	if (node->tty[0]) {
		remove_uart(bus, node);
		return;
	}
	paths = paths_of(node);
	if (node->name[0]) {
		unlink_own(bus, node->by_id, node->name);
		unlink_own(bus, node->by_path, node->name);
		unlink_in(bus, "dev/%s", node->name);
		unlink_in(bus, "dev/.node/%s", node->name);
		hide(bus, "class/tty", paths.tty);
		bus->used[node->adapter][node->number] = false;
	}
	if (node->raw[0])
		unlink_in(bus, "dev/%s", node->raw);
	sim_usbfs_free(&node->usbfs);
	if (node->net[0]) {
		hide(bus, "class/net", paths.net);
		sim_vcan_remove(node->net);
	}
	if (node->adapter)
		hide(bus, "bus/usb-serial/devices", paths.serial);
	hide(bus, "bus/usb/devices", paths.interface);
	hide(bus, "bus/usb/devices", node->path);

	if (node->net[0])
		vanish(bus, paths.net);
	if (node->name[0])
		vanish(bus, paths.tty);
	if (node->adapter)
		vanish(bus, paths.serial);
	vanish(bus, paths.interface);
	vanish(bus, node->path);
	*node = (struct sim_node){ 0 };
}
