/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "sim/mcu.h"
#include "sim/usb.h"

enum {
	GET_STATUS = 0,
	CLEAR_FEATURE = 1,
	GET_DESCRIPTOR = 6,
	GET_CONFIGURATION = 8,
	SET_CONFIGURATION = 9,
	GET_INTERFACE = 10,
	SET_INTERFACE = 11,

	DEVICE = 1,
	CONFIGURATION = 2,
	STRING = 3,
	INTERFACE = 4,
	ENDPOINT = 5,

	DEVICE_BYTES = 18,
	CONFIGURATION_BYTES = 9,
};

static void put_le16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
}

void sim_usb_init(struct sim_usb_device *dev, const struct sim_ids *ids, uint16_t release,
		  const char *manufacturer, const char *product, const char *serial)
{
	static const uint8_t descriptors[DEVICE_BYTES + CONFIGURATION_BYTES] = {
		DEVICE_BYTES,
		DEVICE,
		0,
		1,
		0,
		0,
		0,
		64,
		0,
		0,
		0,
		0,
		0,
		0,
		1,
		2,
		3,
		1,
		/* Powered by the bus, 100 mA. */
		CONFIGURATION_BYTES,
		CONFIGURATION,
		CONFIGURATION_BYTES,
		0,
		0,
		1,
		0,
		0x80,
		50,
	};

	*dev = (struct sim_usb_device){ .wake_us = SIM_NEVER, .leave_us = SIM_NEVER };
	memcpy(dev->descriptors, descriptors, sizeof(descriptors));
	dev->descriptors_len = sizeof(descriptors);
	put_le16(dev->descriptors + 8, (unsigned)strtoul(ids->vendor, NULL, 16));
	put_le16(dev->descriptors + 10, (unsigned)strtoul(ids->product, NULL, 16));
	put_le16(dev->descriptors + 12, release);
	sim_usb_add_string(dev, manufacturer);
	sim_usb_add_string(dev, product);
	sim_usb_add_string(dev, serial);
}

unsigned sim_usb_release(const struct sim_usb_device *dev)
{
	return dev->descriptors[12] | (unsigned)dev->descriptors[13] << 8;
}

uint8_t sim_usb_add_string(struct sim_usb_device *dev, const char *text)
{
	kf_text_format(dev->strings[dev->string_count], SIM_USB_STRING_SIZE, "%s", text);
	return (uint8_t)++dev->string_count;
}

void sim_usb_add(struct sim_usb_device *dev, const uint8_t *descriptor)
{
	uint8_t *configuration = dev->descriptors + DEVICE_BYTES;

	memcpy(dev->descriptors + dev->descriptors_len, descriptor, descriptor[0]);
	dev->descriptors_len += descriptor[0];
	put_le16(configuration + 2, (unsigned)(dev->descriptors_len - DEVICE_BYTES));
	if (descriptor[1] == INTERFACE && descriptor[3] == 0)
		configuration[4]++;
}

/* The next descriptor of this type after d (NULL: the first); NULL: none. */
static const uint8_t *next(const struct sim_usb_device *dev, const uint8_t *d, uint8_t type)
{
	const uint8_t *end = dev->descriptors + dev->descriptors_len;

	for (d = d ? d + d[0] : dev->descriptors; d < end; d += d[0])
		if (d[1] == type)
			return d;
	return NULL;
}

unsigned sim_usb_alternates(const struct sim_usb_device *dev, unsigned interface)
{
	unsigned count = 0;

	for (const uint8_t *d = next(dev, NULL, INTERFACE); d; d = next(dev, d, INTERFACE))
		count += d[2] == interface;
	return count;
}

bool sim_usb_has_endpoint(const struct sim_usb_device *dev, uint8_t endpoint)
{
	const uint8_t *d = next(dev, NULL, ENDPOINT);

	while (d && d[2] != endpoint)
		d = next(dev, d, ENDPOINT);
	return d;
}

enum sim_usb_answer sim_usb_send(struct sim_usb_transfer *t, const void *data, size_t len)
{
	t->actual = len < t->len ? len : t->len;
	memcpy(t->data, data, t->actual);
	return SIM_USB_DONE;
}

static enum sim_usb_answer send_string(const struct sim_usb_device *dev, unsigned number,
				       struct sim_usb_transfer *t)
{
	static const uint8_t languages[] = { 4, STRING, 0x09, 0x04 }; /* English */
	uint8_t descriptor[2 + 2 * SIM_USB_STRING_SIZE] = { 2, STRING };

	if (number == 0)
		return sim_usb_send(t, languages, sizeof(languages));
	if (number > dev->string_count)
		return SIM_USB_STALL;
	for (const char *c = dev->strings[number - 1]; *c; c++, descriptor[0] += 2)
		descriptor[descriptor[0]] = (uint8_t)*c;
	return sim_usb_send(t, descriptor, descriptor[0]);
}

static enum sim_usb_answer send_descriptor(const struct sim_usb_device *dev,
					   struct sim_usb_transfer *t)
{
	uint8_t type = (uint8_t)(t->setup.value >> 8);
	const uint8_t *d;

	if (type == STRING)
		return send_string(dev, t->setup.value & 0xff, t);
	d = next(dev, NULL, type);
	if (!d || type == INTERFACE || type == ENDPOINT)
		return SIM_USB_STALL;
	return sim_usb_send(t, d,
			    type == CONFIGURATION ? dev->descriptors_len - DEVICE_BYTES : d[0]);
}

/* The bit of an endpoint, and the set that has it. */
static uint16_t *halted(struct sim_usb_device *dev, uint16_t endpoint, uint16_t *bit)
{
	*bit = (uint16_t)(1u << (endpoint & 0x0f));
	return endpoint & 0x80 ? &dev->halted_in : &dev->halted_out;
}

static enum sim_usb_answer standard(struct sim_usb_device *dev, struct sim_usb_transfer *t)
{
	bool of_endpoint = (t->setup.type & 0x1f) == 2;
	uint16_t bit, *set = halted(dev, t->setup.index, &bit);
	uint8_t configured = 1, status[2] = { 0 }, alternate = (uint8_t)dev->alternate;

	switch (t->setup.request) {
	case GET_STATUS:
		status[0] = of_endpoint && (*set & bit);
		return sim_usb_send(t, status, sizeof(status));
	case CLEAR_FEATURE:
		if (of_endpoint)
			*set &= (uint16_t)~bit;
		return SIM_USB_DONE;
	case GET_DESCRIPTOR:
		return send_descriptor(dev, t);
	case GET_CONFIGURATION:
		return sim_usb_send(t, &configured, 1);
	case SET_CONFIGURATION:
		return t->setup.value == 1 ? SIM_USB_DONE : SIM_USB_STALL;
	case GET_INTERFACE:
		return sim_usb_send(t, &alternate, 1);
	case SET_INTERFACE:
		if (t->setup.value >= sim_usb_alternates(dev, t->setup.index))
			return SIM_USB_STALL;
		if (t->setup.index == 0)
			dev->alternate = t->setup.value;
		return SIM_USB_DONE;
	default:
		return SIM_USB_STALL;
	}
}

bool sim_usb_is_standard(const struct sim_usb_transfer *t)
{
	return t->bus_reset || ((t->endpoint & 0x0f) == 0 && (t->setup.type & 0x60) == 0);
}

enum sim_usb_answer sim_usb_run(struct sim_usb_device *dev, struct sim_usb_transfer *t,
				int64_t now_us)
{
	if (t->bus_reset) {
		dev->alternate = dev->halted_in = dev->halted_out = 0;
		dev->reset(dev);
		return SIM_USB_DONE;
	}
	return sim_usb_is_standard(t) ? standard(dev, t) : dev->answer(dev, t, now_us);
}
