/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The USB bus as processes started with umockdev's preload library see it: sysfs and /dev by
 * libumockdev's testbed, udev's events by uevent.h. The process that uses this must not run
 * with the preload library: there would be two senders. A bridge's CAN interface is a real one
 * (vcan.h).
 */
#ifndef SIM_BUS_H
#define SIM_BUS_H

#include "sim/describe.h"

#define SIM_PORTS_MAX 32

struct sim_bus {
	struct _UMockdevTestbed *testbed;
	char root[256]; /* where the mocked /sys and /dev are */
	unsigned devnum;
	bool used[2][SIM_PORTS_MAX]; /* ttyACMn, ttyUSBn */
};

_must_check_ int sim_bus_open(struct sim_bus *bus, struct kf_error *err);
void sim_bus_close(struct sim_bus *bus); /* removes all that it made */

/*
 * Plug in. slave is the pty behind its tty (ignored if it has none). KF_BUSY: the port
 * has a device already.
 */
_must_check_ int sim_bus_add(struct sim_bus *bus, const struct sim_identity *id, const char *slave,
			     struct sim_node *ret, struct kf_error *err);
void sim_bus_remove(struct sim_bus *bus, struct sim_node *node);

/*
 * Offer what clients want of a device that libusb's programs can open to answer(context, transfer);
 * does nothing for any other. The descriptor polls readable when there is something new; -1: never.
 */
void sim_bus_run(const struct sim_node *node, sim_usb_answer_fn *answer, void *context);
int sim_bus_fd(const struct sim_node *node);

#endif
