/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * udev's events for processes under umockdev's preload library, which puts a socket
 * event* into the testbed's root for each monitor. umockdev's own sender ends the process when a
 * monitor is closed at the wrong moment, and before 0.18.4 sends nothing for a removal.
 * The message is libudev's (systemd src/libsystemd/sd-device/device-monitor.c).
 */
#ifndef SIM_UEVENT_H
#define SIM_UEVENT_H

#include "core/error.h"

/*
 * Tell every monitor. path is the device's below /sys, properties its uevent file's lines; both are
 * read before a removal. A monitor that does not read loses events, as with the kernel.
 */
void sim_uevent_send(const char *root, const char *path, const char *action,
		     const char *properties);

#endif
