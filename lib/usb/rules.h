/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * May this user open a USB device that is not there yet? The answer comes from udev's rules
 * (udev(7)), before a board is sent into a bootloader that only libusb can see.
 */
#ifndef KF_USB_RULES_H
#define KF_USB_RULES_H

#include <sys/types.h>

#include "board/board.h"

/* Is this process in the group? */
bool kf_in_group(gid_t gid);

/* The remedy for a user who is not in the group: to join it, or to log in again if he has joined.
 */
void kf_group_remedy(gid_t gid, const char *group, char *ret, size_t size);

/* The node that libusb opens for the device on a USB port ("1-1.2"); false: not known. */
bool kf_usb_node(const char *port, char ret[KF_DEV_SIZE]);

/*
 * For the board when it will show these ids: its node is open to this user already, or a rule that
 * names vendor (and product, if it names any product) lets everybody, or a group of this user's, or
 * who sits at this machine (uaccess) read and write it; or we are root. If it shows these ids now,
 * its node has to be open, too. KF_PERMISSION if not; the hint says what to do. If $KF_UDEV_RULES
 * is set, only the rules in that folder count, also for root. board may be NULL: it is not plugged
 * in.
 */
_must_check_ int kf_usb_check_rule(const struct kf_board *board, const char *vendor,
				   const char *product, struct kf_error *err);

#endif
