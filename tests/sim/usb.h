/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A bootloader in ROM as a USB device: its descriptors, its transfers, and the standard requests
 * of endpoint 0 (USB 2.0, chapter 9), which are the same for all of them. Pure: bytes and
 * microseconds are passed in.
 */
#ifndef SIM_USB_H
#define SIM_USB_H

#include "sim/spec.h"

#define SIM_USB_STRINGS	    8
#define SIM_USB_STRING_SIZE 96
#define SIM_USB_DESCRIPTORS 128
#define SIM_USB_CONTROL_MAX 4096 /* bytes of data: usbfs has no more */

enum sim_usb_answer {
	SIM_USB_DONE,
	SIM_USB_STALL,
	SIM_USB_NAK, /* not now: it is asked again later */
};

struct sim_usb_setup {
	uint8_t type, request;
	uint16_t value, index, length;
};

struct sim_usb_transfer {
	bool bus_reset;		    /* no transfer: the host resets the port */
	uint8_t endpoint;	    /* 0x80: to the host */
	struct sim_usb_setup setup; /* of endpoint 0 */
	uint8_t *data;
	size_t len;    /* what the host sends, or the room that it has */
	size_t actual; /* what was sent or received */

	/* For the board (board.h): what a fault has made of it. */
	bool counted, lost;
	int64_t due_us;
};

struct sim_usb_device {
	/* The device's descriptor and its configuration's, as in sysfs' file "descriptors". */
	uint8_t descriptors[SIM_USB_DESCRIPTORS];
	size_t descriptors_len;
	/* From 1 on; manufacturer, product and serial number are the first three. */
	char strings[SIM_USB_STRINGS][SIM_USB_STRING_SIZE];
	unsigned string_count;
	unsigned alternate;		/* of interface 0 */
	uint16_t halted_in, halted_out; /* the endpoints that stall, by bits */

	/* A transfer that is not a standard request. */
	enum sim_usb_answer (*answer)(struct sim_usb_device *dev, struct sim_usb_transfer *t,
				      int64_t now_us);
	void (*reset)(struct sim_usb_device *dev); /* by the host, of the port */
	/* Is this the request to start the application? */
	bool (*leaves)(const struct sim_usb_device *dev, const struct sim_usb_transfer *t);
	bool failing; /* the next thing that it is told to do fails: whoever acts on it clears it */
	int64_t wake_us;  /* when a transfer that it answered with NAK is due; SIM_NEVER */
	int64_t leave_us; /* when it leaves the bus and starts something; SIM_NEVER */
};

/* How a bootloader answers the last request, after which it starts the application. */
enum sim_rom_leave {
	SIM_ROM_LEAVE_ANSWERS,
	SIM_ROM_LEAVE_STALLS,
	SIM_ROM_LEAVE_SILENT, /* it is gone before it has answered */
	SIM_ROM_LEAVE_STAYS,  /* it answers, and does not go */
};

/* Answers a transfer of the host. context is the answerer's own. */
typedef enum sim_usb_answer sim_usb_answer_fn(void *context, struct sim_usb_transfer *t);

/* A device without any interface. release: 0x2200 is 22.00. */
void sim_usb_init(struct sim_usb_device *dev, const struct sim_ids *ids, uint16_t release,
		  const char *manufacturer, const char *product, const char *serial);

/* The release that sim_usb_init() got. */
unsigned sim_usb_release(const struct sim_usb_device *dev);

/* Add a string; its number. There is room for SIM_USB_STRINGS. */
uint8_t sim_usb_add_string(struct sim_usb_device *dev, const char *text);

/* Add a descriptor to the configuration, whose interfaces are counted. */
void sim_usb_add(struct sim_usb_device *dev, const uint8_t *descriptor);

/* How many alternate settings has this interface? 0: there is no such interface. */
unsigned sim_usb_alternates(const struct sim_usb_device *dev, unsigned interface);

bool sim_usb_has_endpoint(const struct sim_usb_device *dev, uint8_t endpoint);

/* Is it a request of USB's own, which every device has? */
bool sim_usb_is_standard(const struct sim_usb_transfer *t);

/* Do what the host wants. NAK: ask again at dev->wake_us. */
enum sim_usb_answer sim_usb_run(struct sim_usb_device *dev, struct sim_usb_transfer *t,
				int64_t now_us);

/* Send len bytes, or as many of them as the host has room for. */
enum sim_usb_answer sim_usb_send(struct sim_usb_transfer *t, const void *data, size_t len);

#endif
