/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The texts of a USB device: its string descriptors. */
#ifndef KF_USB_TEXT_H
#define KF_USB_TEXT_H

#include "usb/transfer.h"

#define KF_USB_TEXT_SIZE 128 /* a USB string (126 UTF-16 units at most) and NUL */

/*
 * A string of the device, clean and ASCII (anything else is '?'); index 0 gives "". Errors as
 * kf_usb_control; -EPROTO: what it sent is no string.
 */
_must_check_ int kf_usb_text(struct kf_usb_handle *handle, uint8_t index, int64_t deadline_ms,
			     char ret[KF_USB_TEXT_SIZE]);

/* The text of a string descriptor of len bytes; false: it is none. Pure. */
bool kf_usb_text_parse(const uint8_t *descriptor, size_t len, char ret[KF_USB_TEXT_SIZE]);

#endif
