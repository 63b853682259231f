/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <libusb.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "usb/rules.h"
#include "usb/transfer.h"

enum {
	DEPTH_MAX = 7, /* hubs between host and device, and the device: USB allows no more */
	FDS_MAX = 16,  /* libusb has one for the device and two or three of its own */
};

struct kf_usb_handle {
	libusb_context *context;
	libusb_device_handle *device;
	struct libusb_config_descriptor *config; /* NULL: it has none */
	struct kf_usb usb;
	int claimed; /* interface; -1: none */
	int done;    /* the transfer on its way has ended */
};

/* libusb's errors as errnos. EINTR is left to our own stop signals. */
static int errno_of(int error)
{
	switch (error) {
	case LIBUSB_ERROR_ACCESS:
		return -EACCES;
	case LIBUSB_ERROR_NO_DEVICE:
	case LIBUSB_ERROR_NOT_FOUND:
		return -ENODEV;
	case LIBUSB_ERROR_BUSY:
		return -EBUSY;
	case LIBUSB_ERROR_TIMEOUT:
		return -ETIMEDOUT;
	case LIBUSB_ERROR_OVERFLOW:
		return -EOVERFLOW;
	case LIBUSB_ERROR_PIPE:
		return -EPIPE;
	case LIBUSB_ERROR_NO_MEM:
		return -ENOMEM;
	default:
		return error < 0 ? -EIO : 0;
	}
}

static int errno_of_status(enum libusb_transfer_status status)
{
	switch (status) {
	case LIBUSB_TRANSFER_COMPLETED:
		return 0;
	case LIBUSB_TRANSFER_STALL:
		return -EPIPE;
	case LIBUSB_TRANSFER_NO_DEVICE:
		return -ENODEV;
	case LIBUSB_TRANSFER_OVERFLOW:
		return -EOVERFLOW;
	default:
		return -EIO;
	}
}

/* "1-1.2", as sysfs names it. A root hub has no such name. */
static bool port_name(libusb_device *device, char *ret, size_t size)
{
	uint8_t ports[DEPTH_MAX];
	int depth = libusb_get_port_numbers(device, ports, DEPTH_MAX);
	char number[8];

	if (depth <= 0)
		return false;
	kf_text_format(ret, size, "%u", libusb_get_bus_number(device));
	for (int i = 0; i < depth; i++) {
		kf_text_format(number, sizeof(number), "%u", ports[i]);
		kf_text_add(ret, size, i ? "." : "-", number);
	}
	return true;
}

/* The device on the port, referenced; NULL: none is there. */
static libusb_device *find(libusb_context *context, const char *port)
{
	libusb_device **list = NULL, *found = NULL;
	ssize_t count = libusb_get_device_list(context, &list);
	char name[sizeof(((struct kf_usb *)0)->port)];

	for (ssize_t i = 0; i < count && !found; i++)
		if (port_name(list[i], name, sizeof(name)) && strcmp(name, port) == 0)
			found = libusb_ref_device(list[i]);
	if (list)
		libusb_free_device_list(list, 1);
	return found;
}

static int check_ids(libusb_device *device, const struct kf_usb *usb, struct kf_error *err)
{
	struct libusb_device_descriptor d;
	char vendor[5], product[5];
	int r = errno_of(libusb_get_device_descriptor(device, &d));

	if (r < 0)
		return kf_fail_sys(err, -r, "USB port %s", usb->port);
	kf_text_format(vendor, sizeof(vendor), "%04x", d.idVendor);
	kf_text_format(product, sizeof(product), "%04x", d.idProduct);
	if (strcmp(vendor, usb->vendor) == 0 && strcmp(product, usb->product) == 0)
		return 0;
	return kf_fail(err, KF_GONE, "on USB port %s there is now %s:%s, not %s:%s", usb->port,
		       vendor, product, usb->vendor, usb->product);
}

/* The rules may be newer than the device's node: udev applies them when it is plugged in. */
static int not_allowed(const struct kf_usb *usb, struct kf_error *err)
{
	const struct kf_board there = { .usb = *usb };
	int r = kf_usb_check_rule(&there, usb->vendor, usb->product, err);

	return r < 0 ? r : kf_fail_sys(err, EACCES, "USB port %s", usb->port);
}

static int open_device(struct kf_usb_handle *handle, libusb_device *device, struct kf_error *err)
{
	int r = errno_of(libusb_open(device, &handle->device));

	if (r == -EACCES)
		return not_allowed(&handle->usb, err);
	if (r < 0)
		return kf_usb_failed(handle, r, err);
	if (libusb_get_active_config_descriptor(device, &handle->config) < 0 &&
	    libusb_get_config_descriptor(device, 0, &handle->config) < 0)
		handle->config = NULL;
	return 0;
}

int kf_usb_open(const struct kf_usb *usb, struct kf_usb_handle **ret, struct kf_error *err)
{
	_cleanup_(kf_usb_closep) struct kf_usb_handle *handle = calloc(1, sizeof(*handle));
	libusb_device *device;
	int r;

	if (!handle)
		return kf_fail_sys(err, ENOMEM, "USB port %s", usb->port);
	handle->usb = *usb;
	handle->claimed = -1;
	r = errno_of(libusb_init(&handle->context));
	if (r < 0)
		return kf_fail_sys(err, -r, "USB port %s: libusb cannot list devices", usb->port);
	device = find(handle->context, usb->port);
	if (!device)
		return kf_fail(err, KF_GONE, "nothing is on USB port %s any more", usb->port);
	r = check_ids(device, usb, err);
	if (r == 0)
		r = open_device(handle, device, err);
	libusb_unref_device(device);
	if (r == 0)
		*ret = TAKE_PTR(handle);
	return r;
}

void kf_usb_closep(struct kf_usb_handle **handle)
{
	struct kf_usb_handle *h = *handle;

	if (!h)
		return;
	if (h->claimed >= 0)
		libusb_release_interface(h->device, h->claimed);
	if (h->config)
		libusb_free_config_descriptor(h->config);
	if (h->device)
		libusb_close(h->device);
	if (h->context)
		libusb_exit(h->context);
	free(h);
	*handle = NULL;
}

static struct kf_usb_alternate describe(const struct libusb_interface_descriptor *d)
{
	struct kf_usb_alternate alternate = { .interface = d->bInterfaceNumber,
					      .number = d->bAlternateSetting,
					      .interface_class = d->bInterfaceClass,
					      .subclass = d->bInterfaceSubClass,
					      .protocol = d->bInterfaceProtocol,
					      .name = d->iInterface };

	for (int i = 0; i < d->bNumEndpoints; i++) {
		const struct libusb_endpoint_descriptor *e = &d->endpoint[i];
		uint8_t *which = e->bEndpointAddress & KF_USB_IN ? &alternate.in : &alternate.out;

		if ((e->bmAttributes & LIBUSB_TRANSFER_TYPE_MASK) == LIBUSB_TRANSFER_TYPE_BULK &&
		    *which == 0)
			*which = e->bEndpointAddress;
	}
	return alternate;
}

size_t kf_usb_alternates(const struct kf_usb_handle *handle,
			 struct kf_usb_alternate ret[KF_USB_ALTERNATES_MAX])
{
	const struct libusb_config_descriptor *c = handle->config;
	size_t count = 0;

	for (int i = 0; c && i < c->bNumInterfaces; i++)
		for (int a = 0; a < c->interface[i].num_altsetting; a++)
			if (count < KF_USB_ALTERNATES_MAX)
				ret[count++] = describe(&c->interface[i].altsetting[a]);
	return count;
}

size_t kf_usb_descriptor_find(const uint8_t *bytes, size_t len, uint8_t type, uint8_t *ret,
			      size_t size)
{
	for (size_t at = 0; len - at >= 2 && bytes[at] >= 2 && bytes[at] <= len - at;
	     at += bytes[at]) {
		if (bytes[at + 1] != type)
			continue;
		if (size > bytes[at])
			size = bytes[at];
		memcpy(ret, bytes + at, size);
		return size;
	}
	return 0;
}

size_t kf_usb_descriptor(const struct kf_usb_handle *handle, uint8_t interface, uint8_t type,
			 uint8_t *ret, size_t size)
{
	const struct libusb_config_descriptor *c = handle->config;
	size_t got = 0;

	for (int i = 0; c && i < c->bNumInterfaces; i++)
		for (int a = 0; got == 0 && a < c->interface[i].num_altsetting; a++) {
			const struct libusb_interface_descriptor *d =
				&c->interface[i].altsetting[a];

			if (d->bInterfaceNumber == interface)
				got = kf_usb_descriptor_find(d->extra, (size_t)d->extra_length,
							     type, ret, size);
		}
	if (c && got == 0)
		got = kf_usb_descriptor_find(c->extra, (size_t)c->extra_length, type, ret, size);
	return got;
}

static int alternates_of(const struct kf_usb_handle *handle, uint8_t interface)
{
	const struct libusb_config_descriptor *c = handle->config;

	for (int i = 0; c && i < c->bNumInterfaces; i++)
		if (c->interface[i].num_altsetting > 0 &&
		    c->interface[i].altsetting[0].bInterfaceNumber == interface)
			return c->interface[i].num_altsetting;
	return 0;
}

int kf_usb_claim(struct kf_usb_handle *handle, const struct kf_usb_alternate *alternate,
		 struct kf_error *err)
{
	char node[KF_DEV_SIZE];
	int r = errno_of(libusb_claim_interface(handle->device, alternate->interface));

	if (r == -EBUSY) {
		kf_fail(err, KF_BUSY, "another program uses the bootloader on USB port %s",
			handle->usb.port);
		if (kf_usb_node(handle->usb.port, node))
			kf_error_hint(err, "sudo fuser -v %s shows it; end it, then try again",
				      node);
		return r;
	}
	if (r < 0)
		return kf_usb_failed(handle, r, err);
	handle->claimed = alternate->interface;
	/* A device with only one alternate setting may refuse to select it. */
	if (alternates_of(handle, alternate->interface) > 1)
		r = errno_of(libusb_set_interface_alt_setting(handle->device, alternate->interface,
							      alternate->number));
	return r < 0 ? kf_usb_failed(handle, r, err) : 0;
}

static void LIBUSB_CALL finish(struct libusb_transfer *transfer)
{
	*(int *)transfer->user_data = 1;
}

/* Wait until libusb has events to handle. As kf_wait. */
static int wait_for_events(libusb_context *context, int64_t deadline_ms)
{
	const struct libusb_pollfd **list = libusb_get_pollfds(context);
	struct pollfd fds[FDS_MAX];
	nfds_t count = 0;

	for (size_t i = 0; list && list[i] && count < FDS_MAX; i++)
		fds[count++] = (struct pollfd){ .fd = list[i]->fd, .events = list[i]->events };
	libusb_free_pollfds(list);
	return kf_wait(fds, count, deadline_ms);
}

/* Submit the transfer and wait for its end: libusb does not use it any more after this. */
static ssize_t run(struct kf_usb_handle *handle, struct libusb_transfer *transfer,
		   int64_t deadline_ms)
{
	struct timeval at_once = { 0 };
	int stopped = 0, r = kf_stopped() ? -EINTR : 0;

	handle->done = 0;
	transfer->user_data = &handle->done;
	if (r == 0)
		r = errno_of(libusb_submit_transfer(transfer));
	if (r < 0)
		return r;
	while (!handle->done && stopped == 0) {
		r = wait_for_events(handle->context, deadline_ms);
		if (r <= 0)
			stopped = r == 0 ? -ETIMEDOUT : r;
		libusb_handle_events_timeout_completed(handle->context, &at_once, &handle->done);
	}
	if (!handle->done)
		libusb_cancel_transfer(transfer);
	/* The kernel ends a cancelled transfer at once. */
	while (!handle->done)
		libusb_handle_events_completed(handle->context, &handle->done);
	if (transfer->status == LIBUSB_TRANSFER_CANCELLED && stopped)
		return stopped;
	r = errno_of_status(transfer->status);
	return r < 0 ? r : transfer->actual_length;
}

ssize_t kf_usb_control(struct kf_usb_handle *handle, const struct kf_usb_request *request,
		       void *data, uint16_t len, int64_t deadline_ms)
{
	struct libusb_transfer *transfer;
	bool in = request->type & KF_USB_IN;
	uint8_t buffer[LIBUSB_CONTROL_SETUP_SIZE + KF_USB_CONTROL_MAX];
	ssize_t got;

	if (len > KF_USB_CONTROL_MAX)
		return -EMSGSIZE;
	transfer = libusb_alloc_transfer(0);
	if (!transfer)
		return -ENOMEM;
	libusb_fill_control_setup(buffer, request->type, request->request, request->value,
				  request->index, len);
	if (!in && len > 0)
		memcpy(buffer + LIBUSB_CONTROL_SETUP_SIZE, data, len);
	libusb_fill_control_transfer(transfer, handle->device, buffer, finish, NULL, 0);
	got = run(handle, transfer, deadline_ms);
	if (in && got > 0)
		memcpy(data, buffer + LIBUSB_CONTROL_SETUP_SIZE, (size_t)got);
	libusb_free_transfer(transfer);
	return got;
}

ssize_t kf_usb_bulk(struct kf_usb_handle *handle, uint8_t endpoint, void *data, size_t len,
		    int64_t deadline_ms)
{
	struct libusb_transfer *transfer;
	ssize_t got;

	if (len > INT32_MAX)
		return -EMSGSIZE;
	transfer = libusb_alloc_transfer(0);
	if (!transfer)
		return -ENOMEM;
	libusb_fill_bulk_transfer(transfer, handle->device, endpoint, data, (int)len, finish, NULL,
				  0);
	got = run(handle, transfer, deadline_ms);
	libusb_free_transfer(transfer);
	return got;
}

int kf_usb_clear_halt(struct kf_usb_handle *handle, uint8_t endpoint)
{
	return errno_of(libusb_clear_halt(handle->device, endpoint));
}

int kf_usb_failed(const struct kf_usb_handle *handle, int r, struct kf_error *err)
{
	const char *port = handle->usb.port;

	switch (r) {
	case -EPIPE:
		return kf_fail(err, KF_PROTOCOL, "the bootloader on USB port %s refuses a request",
			       port);
	case -EPROTO:
	case -EOVERFLOW:
		return kf_fail(err, KF_PROTOCOL,
			       "the bootloader on USB port %s sent what does not fit the request",
			       port);
	case -ENODEV:
		return kf_fail(err, KF_GONE, "the device on USB port %s was disconnected", port);
	case -ETIMEDOUT:
		return kf_fail(err, KF_TIMEOUT, "the bootloader on USB port %s does not answer",
			       port);
	default:
		return kf_fail_sys(err, -r, "USB port %s", port);
	}
}
