/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The node below /dev/bus/usb of one simulated device, as programs with libusb use it: the kernel's
 * usbfs (drivers/usb/core/devio.c), by umockdev's hook for ioctl(2). The node is a FIFO: poll(2)
 * says by POLLOUT, as usbfs does, that a transfer is over and can be reaped. The ioctls come on a
 * thread of umockdev's; transfers are run where sim_usbfs_run() is called.
 *
 * Modelled: submit, reap and discard, claims, the synchronous requests, what an unplugged device
 * answers. Not modelled: isochronous transfers, mmap, drivers of the kernel.
 */
#ifndef SIM_USBFS_H
#define SIM_USBFS_H

#include "sim/usb.h"

struct _UMockdevTestbed;
struct sim_usbfs;

/*
 * Make the node (bus/usb/001/004) below root's /dev. The descriptors of device are copied.
 * sim_usbfs_free() undoes it.
 */
_must_check_ int sim_usbfs_new(struct _UMockdevTestbed *testbed, const char *root, const char *node,
			       const struct sim_usb_device *device, struct sim_usbfs **ret,
			       struct kf_error *err);

/* The device is unplugged: what clients wait for fails, then all that they ask. NULL is fine. */
void sim_usbfs_free(struct sim_usbfs **fs);

/* Offer every transfer that is pending to answer(context, transfer), in the order of its endpoint.
 */
void sim_usbfs_run(struct sim_usbfs *fs, sim_usb_answer_fn *answer, void *context);

/* It polls readable when there is something new to run. */
int sim_usbfs_fd(const struct sim_usbfs *fs);

#endif
