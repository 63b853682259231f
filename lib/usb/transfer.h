/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Transfers to a USB device that has no driver, by libusb: bootloaders in ROM. Only programs that
 * flash call this, so only they load libusb.
 */
#ifndef KF_USB_TRANSFER_H
#define KF_USB_TRANSFER_H

#include <sys/types.h>

#include "board/board.h"

struct kf_usb_handle;

/* One alternate setting of an interface, as the device describes it. */
struct kf_usb_alternate {
	uint8_t interface, number;
	uint8_t interface_class, subclass, protocol;
	uint8_t name;	 /* index of its string, for kf_usb_text; 0: none */
	uint8_t in, out; /* addresses of its first bulk endpoints; 0: none */
};

#define KF_USB_ALTERNATES_MAX 32   /* of all interfaces; a device with more is cut off there */
#define KF_USB_CONTROL_MAX    4096 /* bytes of data: the kernel's limit for one control transfer */

/* The first 8 bytes of a control transfer, without the length of the data. */
struct kf_usb_request {
	uint8_t type, request;
	uint16_t value, index;
};

#define KF_USB_IN 0x80 /* in a request's type and an endpoint's address: from the device */

/*
 * Open the device on the USB port usb->port, which must have usb's vendor and product.
 * The caller closes it. KF_GONE: nothing is on that port, or another device. KF_PERMISSION: udev
 * does not let this user; the hint is the remedy. KF_IO.
 */
_must_check_ int kf_usb_open(const struct kf_usb *usb, struct kf_usb_handle **ret,
			     struct kf_error *err);

/* Release what was claimed, and close. */
void kf_usb_closep(struct kf_usb_handle **handle);

/* All alternate settings of all interfaces, in the device's order. Returns their count. */
size_t kf_usb_alternates(const struct kf_usb_handle *handle,
			 struct kf_usb_alternate ret[KF_USB_ALTERNATES_MAX]);

/*
 * The first descriptor of that type (0x21: DFU's) that an interface has beyond those of USB itself,
 * or that the configuration has. Returns the bytes that were copied, at most size; 0: there is
 * none.
 */
size_t kf_usb_descriptor(const struct kf_usb_handle *handle, uint8_t interface, uint8_t type,
			 uint8_t *ret, size_t size);

/*
 * Descriptors follow each other, each beginning with its length and type. Copy the first of that
 * type, at most size bytes of it: *ret. Returns the count; 0: there is none. Pure.
 */
size_t kf_usb_descriptor_find(const uint8_t *bytes, size_t len, uint8_t type, uint8_t *ret,
			      size_t size);

/*
 * Take the interface for this process alone and choose the alternate setting; once for each handle.
 * KF_BUSY: another program has it. KF_GONE, KF_IO.
 */
_must_check_ int kf_usb_claim(struct kf_usb_handle *handle,
			      const struct kf_usb_alternate *alternate, struct kf_error *err);

/*
 * One control transfer with len bytes of data (at most KF_USB_CONTROL_MAX), which is read or
 * written as request->type says. Returns the bytes that were transferred; or
 *
 *   -EPIPE      the device stalls: it refuses the request
 *   -ENODEV     it was disconnected
 *   -ETIMEDOUT  the deadline passed; the transfer was cancelled
 *   -EINTR      a stop signal came before it or during it; it was cancelled
 *   -EOVERFLOW  the device sent more than was asked for
 *   -EIO and other negative errnos: the bus failed
 */
_must_check_ ssize_t kf_usb_control(struct kf_usb_handle *handle,
				    const struct kf_usb_request *request, void *data, uint16_t len,
				    int64_t deadline_ms);

/* One bulk transfer from or to an endpoint, by its address. Returns likewise. */
_must_check_ ssize_t kf_usb_bulk(struct kf_usb_handle *handle, uint8_t endpoint, void *data,
				 size_t len, int64_t deadline_ms);

/* End a stall of an endpoint. A negative errno as above. */
_must_check_ int kf_usb_clear_halt(struct kf_usb_handle *handle, uint8_t endpoint);

/* The words for a negative errno of the functions above; returns the code's errno. */
int kf_usb_failed(const struct kf_usb_handle *handle, int r, struct kf_error *err);

#endif
