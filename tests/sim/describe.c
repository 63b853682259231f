/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "sim/describe.h"

#define CONTROLLER    "/devices/pci0000:00/0000:00:14.0/usb%c"
#define PCI_PATH      "pci-0000:00:14.0-usb-0:"
#define RELEASE	      0x0100 /* of what has no descriptors */
#define ACM_MAJOR     166
#define USB_TTY_MAJOR 188
#define AMBA_MAJOR    204 /* drivers/tty/serial/amba-pl011.c */
#define AMBA_MINOR    64

/* One device's description in umockdev's format, growing. */
static void line(GString *s, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

static void line(GString *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	g_string_append_vprintf(s, fmt, ap);
	va_end(ap);
	g_string_append_c(s, '\n');
}

/* A sysfs attribute, if there is a value; escaped as umockdev's parser wants it. */
static void attribute(GString *s, const char *name, const char *value)
{
	g_autofree char *escaped = g_strescape(value, NULL);

	if (*value)
		line(s, "A: %s=%s\\n", name, escaped);
}

/* udev's replacement of blanks and of what a file's name should not have. */
static void udev_name(const char *text, char *ret, size_t size)
{
	size_t len = 0;

	while (isspace((unsigned char)*text))
		text++;
	for (; *text && len + 1 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (isspace(c)) {
			if (isspace((unsigned char)text[1]) || !text[1])
				continue;
			c = '_';
		}
		ret[len++] = isalnum(c) || strchr("#+-.:=@_", c) || c >= 0x80 ? (char)c : '_';
	}
	ret[len] = '\0';
}

/* udev's encoding of the same text, for ID_MODEL_ENC. */
static void udev_encode(const char *text, char *ret, size_t size)
{
	size_t len = 0;

	for (; *text && len + 5 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("#+-.:=@_", c) || c >= 0x80)
			ret[len++] = (char)c;
		else
			len += (size_t)snprintf(ret + len, 5, "\\x%02x", c);
	}
	ret[len] = '\0';
}

/* USB's strings as udev writes them. */
struct names {
	char vendor[KF_NAME_SIZE], model[KF_NAME_SIZE], serial[KF_NAME_SIZE];
	char all[KF_DEV_SIZE]; /* ID_SERIAL */
	char vendor_enc[4 * KF_NAME_SIZE], model_enc[4 * KF_NAME_SIZE];
};

static void make_names(const struct sim_identity *id, struct names *n)
{
	const char *vendor = *id->manufacturer ? id->manufacturer : id->usb.vendor;
	const char *model = *id->product ? id->product : id->usb.product;

	udev_name(vendor, n->vendor, sizeof(n->vendor));
	udev_name(model, n->model, sizeof(n->model));
	udev_name(id->serial, n->serial, sizeof(n->serial));
	udev_encode(vendor, n->vendor_enc, sizeof(n->vendor_enc));
	udev_encode(model, n->model_enc, sizeof(n->model_enc));
	kf_text_format(n->all, sizeof(n->all), "%s_%s%s%s", n->vendor, n->model,
		       *n->serial ? "_" : "", n->serial);
}

/* The properties that the device and its tty have in common. */
static void common(GString *s, const struct sim_identity *id)
{
	struct names n;

	make_names(id, &n);
	line(s, "E: ID_VENDOR=%s\nE: ID_VENDOR_ENC=%s", n.vendor, n.vendor_enc);
	line(s, "E: ID_MODEL=%s\nE: ID_MODEL_ENC=%s", n.model, n.model_enc);
	line(s, "E: ID_SERIAL=%s\nE: ID_USB_INTERFACES=%s", n.all,
	     !id->tty	   ? ":fe0102:"
	     : id->adapter ? ":ff0102:"
			   : ":020201:0a0000:");
	if (*n.serial)
		line(s, "E: ID_SERIAL_SHORT=%s", n.serial);
	line(s, "E: USEC_INITIALIZED=1000000\nE: TAGS=:systemd:\nE: CURRENT_TAGS=:systemd:");
}

static void usb_device(GString *s, const char *path, int busnum, unsigned devnum,
		       const struct sim_ids *ids, unsigned release)
{
	unsigned long vendor = strtoul(ids->vendor, NULL, 16);
	unsigned long product = strtoul(ids->product, NULL, 16);

	line(s, "P: %s", path);
	line(s, "E: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\nE: DRIVER=usb");
	line(s, "E: DEVNAME=/dev/bus/usb/%03d/%03u\nE: BUSNUM=%03d\nE: DEVNUM=%03u", busnum, devnum,
	     busnum, devnum);
	line(s, "E: MAJOR=189\nE: MINOR=%u\nE: PRODUCT=%lx/%lx/%x", devnum - 1, vendor, product,
	     release);
	line(s, "E: ID_BUS=usb\nE: ID_VENDOR_ID=%s\nE: ID_MODEL_ID=%s\nE: ID_REVISION=%04x",
	     ids->vendor, ids->product, release);
	line(s, "A: dev=189:%u\nA: busnum=%d\\n\nA: devnum=%u\\n", devnum - 1, busnum, devnum);
	line(s, "A: idVendor=%s\\n\nA: idProduct=%s\\n\nA: bcdDevice=%04x\\n", ids->vendor,
	     ids->product, release);
	line(s, "A: speed=12\\n\nA: bConfigurationValue=1\\n");
}

void sim_device_path(const char *port, char *ret, size_t size)
{
	size_t len = (size_t)snprintf(ret, size, CONTROLLER, port[0]);

	for (const char *dot = port; dot && len < size; dot = *dot ? dot : NULL) {
		dot += strcspn(dot + 1, ".") + 1;
		len += (size_t)snprintf(ret + len, size - len, "/%.*s", (int)(dot - port), port);
	}
}

/* "1.2" of "1-1.2": the way from the root hub. */
static const char *route(const struct sim_identity *id)
{
	return strchr(id->port, '-') + 1;
}

void sim_node_link(const struct sim_identity *id, struct sim_node *node)
{
	const char *suffix = id->adapter ? "-port0" : "";
	struct names n;

	make_names(id, &n);
	kf_text_format(node->by_id, sizeof(node->by_id), "serial/by-id/usb-%s-if00%s", n.all,
		       suffix);
	kf_text_format(node->by_path, sizeof(node->by_path), "serial/by-path/" PCI_PATH "%s:1.0%s",
		       route(id), suffix);
}

GString *sim_describe_hub(const char *path, int busnum, unsigned devnum)
{
	static const struct sim_ids linux_hub = { "1d6b", "0002" };
	GString *s = g_string_new(NULL);

	usb_device(s, path, busnum, devnum, &linux_hub, RELEASE);
	line(s, "A: bDeviceClass=09\\n\nA: product=USB hub\\n");
	line(s, "N: bus/usb/%03d/%03u", busnum, devnum);
	/* A device is found by way of its hubs: libusb has to understand them. */
	line(s, "H: descriptors=1201000209000140"
		"6B1D020000010002000109021900010100E000"
		"0904000001090000000705810304000C");
	return s;
}

/* Its node is made by usbfs.h. */
static void descriptors(GString *s, const struct sim_usb_device *device)
{
	g_string_append(s, "H: descriptors=");
	for (size_t i = 0; i < device->descriptors_len; i++)
		g_string_append_printf(s, "%02X", device->descriptors[i]);
	g_string_append_c(s, '\n');
}

GString *sim_describe_device(const struct sim_identity *id, const char *path, unsigned devnum)
{
	GString *s = g_string_new(NULL);

	usb_device(s, path, atoi(id->port), devnum, &id->usb,
		   id->device ? sim_usb_release(id->device) : RELEASE);
	if (id->device)
		descriptors(s, id->device);
	else
		line(s, "N: bus/usb/%03d/%03u", atoi(id->port), devnum);
	common(s, id);
	line(s, "E: ID_PATH=" PCI_PATH "%s", route(id));
	line(s, "A: devpath=%s\\n\nA: bDeviceClass=%s\\n", route(id), id->adapter ? "ff" : "02");
	line(s, "E: ID_USB_INTERFACES=%s",
	     id->adapter ? ":ff0102:"
	     : id->tty	 ? ":020201:0a0000:"
			 : ":fe0102:");
	attribute(s, "manufacturer", id->manufacturer);
	attribute(s, "product", id->product);
	attribute(s, "serial", id->serial);
	return s;
}

GString *sim_describe_interface(const struct sim_identity *id, const char *path)
{
	const char *class = !id->tty ? "fe" : id->adapter ? "ff" : "02";
	GString *s = g_string_new(NULL);

	line(s, "P: %s/%s:1.0", path, id->port);
	line(s, "E: SUBSYSTEM=usb\nE: DEVTYPE=usb_interface");
	if (id->tty)
		line(s, "E: DRIVER=%s", id->adapter ? "ch341" : "cdc_acm");
	if (id->net[0])
		line(s, "E: DRIVER=gs_usb\nL: driver=../../bus/usb/drivers/gs_usb");
	line(s, "A: bInterfaceNumber=00\\n\nA: bInterfaceClass=%s\\n\nA: bInterfaceSubClass=%s\\n",
	     class, id->tty && !id->adapter ? "02" : "01");
	return s;
}

GString *sim_describe_serial(const struct sim_identity *id, const struct sim_node *node)
{
	GString *s = g_string_new(NULL);

	line(s, "P: %s/%s:1.0/%s\nE: SUBSYSTEM=usb-serial\nE: DRIVER=ch341-uart", node->path,
	     id->port, node->name);
	line(s, "A: port_number=0\\n");
	return s;
}

GString *sim_describe_uart(void)
{
	GString *s = g_string_new(NULL);

	line(s, "P: " SIM_UART_PATH "\nE: SUBSYSTEM=amba\nE: DRIVER=uart-pl011");
	return s;
}

GString *sim_describe_uart_tty(const struct sim_identity *id)
{
	GString *s = g_string_new(NULL);

	line(s, "P: " SIM_UART_PATH "/tty/%s", id->uart);
	line(s, "E: SUBSYSTEM=tty\nE: DEVNAME=/dev/%s\nE: MAJOR=%d\nE: MINOR=%d", id->uart,
	     AMBA_MAJOR, AMBA_MINOR);
	line(s, "A: dev=%d:%d\nL: device=../../../fe201000.serial", AMBA_MAJOR, AMBA_MINOR);
	line(s, "E: DEVLINKS=/dev/serial0\nE: USEC_INITIALIZED=1000000\nE: TAGS=:systemd:");
	return s;
}

GString *sim_describe_net(const struct sim_identity *id, const char *path)
{
	GString *s = g_string_new(NULL);

	line(s, "P: %s", path);
	line(s, "E: SUBSYSTEM=net\nE: INTERFACE=%s\nE: IFINDEX=%u", id->net,
	     if_nametoindex(id->net));
	line(s, "E: ID_BUS=usb\nE: ID_NET_DRIVER=gs_usb\nE: ID_PATH=" PCI_PATH "%s:1.0", route(id));
	line(s, "A: type=280\\n");
	return s;
}

GString *sim_describe_tty(const struct sim_identity *id, const struct sim_node *node)
{
	int major = id->adapter ? USB_TTY_MAJOR : ACM_MAJOR;
	GString *s = g_string_new(NULL);

	line(s, "P: %s/%s:1.0%s%s/tty/%s", node->path, id->port, id->adapter ? "/" : "",
	     id->adapter ? node->name : "", node->name);
	line(s, "E: SUBSYSTEM=tty\nE: DEVNAME=/dev/%s\nE: MAJOR=%d\nE: MINOR=%u", node->name, major,
	     node->number);
	line(s, "A: dev=%d:%u", major, node->number);
	/* Klipper's flash_usb.py follows it to the USB device. */
	line(s, "L: device=../../../%s%s", id->adapter ? node->name : id->port,
	     id->adapter ? "" : ":1.0");
	line(s, "E: DEVLINKS=/dev/%s /dev/%s", node->by_id, node->by_path);
	line(s, "E: ID_BUS=usb\nE: ID_TYPE=generic\nE: ID_USB_INTERFACE_NUM=00");
	line(s, "E: ID_VENDOR_ID=%s\nE: ID_MODEL_ID=%s\nE: ID_USB_DRIVER=%s", id->usb.vendor,
	     id->usb.product, id->adapter ? "ch341" : "cdc_acm");
	line(s, "E: ID_PATH=" PCI_PATH "%s:1.0", route(id));
	if (id->adapter)
		line(s, "E: ID_PORT=0");
	common(s, id);
	return s;
}
