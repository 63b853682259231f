/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text by which a person or a configuration names the place of a board: a wire and a name. */
#ifndef KF_BOARD_PORT_H
#define KF_BOARD_PORT_H

#include "board/board.h"

/* The place of a board. Only the members of its wire are set. */
struct kf_port {
	char usb_port[64];	     /* "1-1.2" */
	char path[KF_DEV_SIZE];	     /* "/dev/ttyAMA0": a UART, or a port of USB's */
	char interface[16];	     /* "can0", with uuid */
	char uuid[KF_CAN_UUID_SIZE]; /* in lower case */
};

/*
 * Read "1-1.2" or "usb:1-1.2", "/dev/ttyAMA0", or "can0:44db3d634885". KF_USAGE: it is none of
 * them, or a name in it is too long.
 */
_must_check_ int kf_port_read(const char *text, struct kf_port *ret, struct kf_error *err);

/* Write the text that kf_port_read reads as the place of this board; empty: it has no port. */
void kf_port_write(const struct kf_board *board, char ret[KF_DEV_SIZE]);

/* Write its place for people: its by-id path, "can0 44db3d634885" ...; empty: not known. */
void kf_board_place(const struct kf_board *board, char *ret, size_t size);

/*
 * Is this the path of the host's own MCU? Klippy opens /tmp/klipper_host_* as the pty of a Linux
 * process (klippy/mcu.py), and any other path as a serial port.
 */
bool kf_path_is_process(const char *path);

/* Does no USB device show it: a node on CAN, behind a UART of this machine, or a process? */
bool kf_board_is_wired(const struct kf_board *board);

/* Is it a node on CAN, which no USB device shows? */
bool kf_board_is_node(const struct kf_board *board);

/* Is it now, in its firmware, the bridge of a CAN bus? */
bool kf_board_is_bridge(const struct kf_board *board);

/* Are these 12 hexadecimal digits? Then ret has them in lower case. */
bool kf_uuid_read(const char *text, char ret[KF_CAN_UUID_SIZE]);

/* Can it be the name of a network interface? */
bool kf_interface_valid(const char *name);

/* Can it be a USB port: bus, then the chain of ports, as sysfs writes it? */
bool kf_usb_port_valid(const char *text);

/*
 * Does path name the board's port: by-id, by-path, tty, or another link to it; or the pty of a
 * process? NULL: false.
 */
bool kf_board_has_port(const struct kf_board *board, const char *path);

#endif
