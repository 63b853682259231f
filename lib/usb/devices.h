/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Connected USB devices, through libudev. Serial ports (subsystem tty below USB), DFU and BOOTSEL
 * devices, and Klipper's USB-to-CAN bridges with their network interface (no tty). The registry is
 * not read here, nor is holder filled: see registry/registry.h and usb/holder.h. Changes:
 * usb/monitor.h.
 */
#ifndef KF_USB_DEVICES_H
#define KF_USB_DEVICES_H

#include "board/board.h"

struct kf_boards {
	struct kf_board *list;
	size_t count;
};

/* All that is plugged in, ordered by USB port. The caller frees with kf_boards_free. */
_must_check_ int kf_usb_scan(struct kf_boards *ret, struct kf_error *err);
void kf_boards_free(struct kf_boards *boards);

/*
 * The USB device on a port, board or not: its usb, mode and mcu, never its tty. False: there is
 * none, or it cannot be told.
 */
bool kf_usb_device(const char *port, struct kf_board *ret);

/* Append a copy; -ENOMEM. */
_must_check_ int kf_boards_add(struct kf_boards *boards, const struct kf_board *board);

struct udev;
struct udev_device;

/* For the monitor: a scan without devices that udev has not finished. */
_must_check_ int kf_usb_scan_settled(struct udev *udev, struct kf_boards *ret,
				     struct kf_error *err);

/*
 * Is this device (a tty, or a bootloader's usb_device) one of ours, and which? A device
 * that is gone is told by its udev properties, and then fills only mode, tty, links and usb.
 */
bool kf_usb_board(struct udev_device *dev, struct kf_board *ret);

#endif
