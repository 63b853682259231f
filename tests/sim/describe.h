/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A device in words: umockdev-record(1)'s format, with the sysfs attributes of the kernel and the
 * properties that udev's usb_id, path_id and 60-serial.rules (systemd 252) would add.
 */
#ifndef SIM_DESCRIBE_H
#define SIM_DESCRIBE_H

#include <glib.h>

#include "sim/identity.h"

/* A device on the bus. */
struct sim_node {
	bool present;
	char path[256];		 /* of the usb_device, below /sys */
	char name[32];		 /* ttyACM0; empty: no tty */
	char raw[32];		 /* bus/usb/001/004, below /dev, of what has no tty */
	struct sim_usbfs *usbfs; /* of what can be opened there; else NULL */
	char net[16];		 /* can0; empty: no network interface */
	char tty[300];		 /* below /sys, of a UART of the host's own; else empty */
	bool adapter;
	unsigned number;			       /* of the tty */
	char by_id[KF_DEV_SIZE], by_path[KF_DEV_SIZE]; /* below /dev */
};

/* The path below /sys of what is plugged into port: "1-1.2" lies below its hub "1-1". */
void sim_device_path(const char *port, char *ret, size_t size);

/* Fill in by_id and by_path; name is known. */
void sim_node_link(const struct sim_identity *id, struct sim_node *node);

/* The caller frees with g_string_free(), or g_autoptr. */
GString *sim_describe_hub(const char *path, int busnum, unsigned devnum);
GString *sim_describe_device(const struct sim_identity *id, const char *path, unsigned devnum);
GString *sim_describe_interface(const struct sim_identity *id, const char *path);
GString *sim_describe_serial(const struct sim_identity *id, const struct sim_node *node);
/* A UART of the host's own, as a Raspberry Pi's: id->uart is its tty's name. */
#define SIM_UART_PATH "/devices/platform/soc/fe201000.serial"
GString *sim_describe_uart(void);
GString *sim_describe_uart_tty(const struct sim_identity *id);
GString *sim_describe_net(const struct sim_identity *id, const char *path);
GString *sim_describe_tty(const struct sim_identity *id, const struct sim_node *node);

#endif
