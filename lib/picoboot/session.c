/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "picoboot/command.h"
#include "picoboot/session.h"

enum {
	/* The 16 sectors of a block take 400 ms each at most (W25Q080's data sheet). */
	ERASE_MS = 10000,
	STEP_MS = 3000,	      /* any other command, of 4096 bytes at most */
	READ_BYTES = 4096,    /* by one command: a stop signal is noticed before the next */
	SMALLEST = 64 * 1024, /* flash chips of less are not sold with these boards */
	SAMPLE_BYTES = 4096,  /* that must be the same to be a repetition */
	REBOOT_DELAY_MS = 20, /* the acknowledgement takes a frame of the bus: 1 ms */
	/* of a control request: type vendor, recipient interface */
	VENDOR_INTERFACE = 0x41,
};

static ssize_t control(struct kf_picoboot *p, uint8_t direction, uint8_t name, void *data,
		       uint16_t len)
{
	const struct kf_usb_request request = { .type = VENDOR_INTERFACE | direction,
						.request = name,
						.index = p->interface.interface };

	return kf_usb_control(p->usb, &request, data, len, kf_within_ms(STEP_MS, p->deadline_ms));
}

static int reset(struct kf_picoboot *p)
{
	int r = kf_usb_clear_halt(p->usb, p->interface.in);

	if (r == 0)
		r = kf_usb_clear_halt(p->usb, p->interface.out);
	if (r == 0)
		r = (int)control(p, 0, KF_PICOBOOT_CONTROL_RESET, NULL, 0);
	return r;
}

/* The ROM has stalled a command: ask it why. The pipes are reset, so that others may follow. */
static int refused(struct kf_picoboot *p, struct kf_error *err)
{
	uint8_t data[KF_PICOBOOT_STATUS_BYTES];
	struct kf_picoboot_status status;
	const char *why = "it gives no reason";
	ssize_t n = control(p, KF_USB_IN, KF_PICOBOOT_CONTROL_STATUS, data, sizeof(data));

	if (n >= 0 && kf_picoboot_status_decode(data, (size_t)n, &status) == 0 && status.code)
		why = kf_picoboot_status_text(status.code);
	IGNORE_RESULT(reset(p));
	kf_fail(err, KF_FLASH_FAILED, "the bootloader refuses it: %s", why);
	return kf_error_hint(err, "run the same command again");
}

/* One stage of a command. A transfer that is not complete ends the conversation. */
static int transfer(struct kf_picoboot *p, uint8_t endpoint, void *data, size_t len,
		    int64_t deadline_ms)
{
	ssize_t n = kf_usb_bulk(p->usb, endpoint, data, len, deadline_ms);

	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EPROTO;
}

/* The acknowledgement is an empty packet. To receive one, room for a packet is offered. */
static int acknowledge(struct kf_picoboot *p, bool reads, int64_t deadline_ms)
{
	uint8_t packet[64];
	ssize_t n;

	if (reads)
		return transfer(p, p->interface.out, NULL, 0, deadline_ms);
	n = kf_usb_bulk(p->usb, p->interface.in, packet, sizeof(packet), deadline_ms);
	return n > 0 ? -EPROTO : (int)n;
}

static int exchange(struct kf_picoboot *p, const struct kf_picoboot_command *command, void *data,
		    int64_t deadline_ms)
{
	uint8_t packet[KF_PICOBOOT_COMMAND_BYTES];
	uint8_t in = p->interface.in, out = p->interface.out;
	bool reads = command->id & KF_USB_IN;
	int r;

	kf_picoboot_encode(command, ++p->token, packet);
	r = transfer(p, out, packet, sizeof(packet), deadline_ms);
	if (r == 0 && command->transfer_bytes)
		r = transfer(p, reads ? in : out, data, command->transfer_bytes, deadline_ms);
	return r < 0 ? r : acknowledge(p, reads, deadline_ms);
}

static int run(struct kf_picoboot *p, struct kf_picoboot_command command, void *data,
	       struct kf_error *err)
{
	int64_t ms = command.id == KF_PICOBOOT_ERASE ? ERASE_MS : STEP_MS;
	int r = exchange(p, &command, data, kf_within_ms(ms, p->deadline_ms));

	if (r == -EPIPE)
		r = refused(p, err);
	else if (r < 0)
		r = kf_usb_failed(p->usb, r, err);
	if (r < 0 && command.argument_bytes == 8)
		kf_error_prefix(err, "%s of %" PRIu32 " bytes at 0x%08" PRIx32,
				kf_picoboot_command_name(command.id), command.arguments[1],
				command.arguments[0]);
	else if (r < 0)
		kf_error_prefix(err, "%s", kf_picoboot_command_name(command.id));
	return r;
}

/* The ROM has one interface of the vendor's own class, which has two bulk endpoints. */
static bool find_interface(const struct kf_usb_handle *usb, struct kf_usb_alternate *ret)
{
	struct kf_usb_alternate all[KF_USB_ALTERNATES_MAX];
	size_t count = kf_usb_alternates(usb, all);

	for (size_t i = 0; i < count; i++) {
		if (all[i].interface_class != 0xff || !all[i].in || !all[i].out)
			continue;
		*ret = all[i];
		return true;
	}
	return false;
}

int kf_picoboot_begin(struct kf_picoboot *p, struct kf_error *err)
{
	int r;

	if (!find_interface(p->usb, &p->interface))
		return kf_fail(err, KF_PROTOCOL, "its bootloader has no PICOBOOT interface");
	r = kf_usb_claim(p->usb, &p->interface, err);
	if (r < 0)
		return r;
	r = reset(p);
	if (r < 0)
		return kf_usb_failed(p->usb, r, err);
	r = run(p, kf_picoboot_exclusive(), NULL, err);
	return r < 0 ? r : run(p, kf_picoboot_exit_xip(), NULL, err);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

int kf_picoboot_read(struct kf_picoboot *p, uint32_t address, uint8_t *ret, size_t len,
		     struct kf_error *err)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < len; at += READ_BYTES)
		r = run(p,
			kf_picoboot_range(KF_PICOBOOT_READ, address + (uint32_t)at,
					  (uint32_t)least(READ_BYTES, len - at)),
			ret + at, err);
	return r;
}

int kf_picoboot_verify(struct kf_picoboot *p, uint32_t address, const uint8_t *data, size_t len,
		       kf_picoboot_progress *progress, void *arg, struct kf_error *err)
{
	uint8_t read[READ_BYTES];

	for (size_t at = 0; at < len; at += READ_BYTES) {
		size_t n = least(READ_BYTES, len - at);
		int r = kf_picoboot_read(p, address + (uint32_t)at, read, n, err);

		if (r == 0)
			r = kf_bytes_verify(address + (uint32_t)at, data + at, read, n, err);
		if (r < 0)
			return r;
		if (progress)
			progress(at + n, len, arg);
	}
	return 0;
}

int kf_picoboot_erase(struct kf_picoboot *p, const struct kf_picoboot_pages *pages,
		      kf_picoboot_progress *progress, void *arg, struct kf_error *err)
{
	struct kf_picoboot_step step;
	int r;

	for (size_t i = 0; kf_picoboot_erase_step(pages, i, &step); i++) {
		r = run(p, kf_picoboot_range(KF_PICOBOOT_ERASE, step.address, step.bytes), NULL,
			err);
		if (r < 0)
			return r;
		if (progress)
			progress(least(step.address + step.bytes, pages->end) - pages->from,
				 pages->end - pages->from, arg);
	}
	return 0;
}

int kf_picoboot_write(struct kf_picoboot *p, const struct kf_picoboot_pages *pages,
		      const uint8_t *data, size_t len, kf_picoboot_progress *progress, void *arg,
		      struct kf_error *err)
{
	uint8_t bytes[KF_PICOBOOT_SECTOR];
	struct kf_picoboot_step step;
	size_t done = 0;
	int r;

	for (size_t i = 0; kf_picoboot_write_step(pages, i, &step); i++) {
		size_t at = step.address - pages->from;

		memset(bytes, 0xff, step.bytes); /* behind the image */
		memcpy(bytes, data + at, least(step.bytes, len - at));
		r = run(p, kf_picoboot_range(KF_PICOBOOT_WRITE, step.address, step.bytes), bytes,
			err);
		if (r < 0)
			return r;
		done += step.bytes;
		if (progress)
			progress(done, pages->end - pages->from, arg);
	}
	return 0;
}

static bool is_erased(const uint8_t sample[SAMPLE_BYTES])
{
	for (size_t i = 0; i < SAMPLE_BYTES; i++)
		if (sample[i] != 0xff)
			return false;
	return true;
}

int kf_picoboot_too_small(struct kf_picoboot *p, uint32_t end, uint32_t *ret, struct kf_error *err)
{
	uint8_t first[SAMPLE_BYTES], there[SAMPLE_BYTES];
	uint32_t size;
	int r = 0;

	*ret = 0;
	if (end - KF_PICOBOOT_FLASH <= SMALLEST)
		return 0;
	r = kf_picoboot_read(p, KF_PICOBOOT_FLASH, first, sizeof(first), err);
	if (r < 0 || is_erased(first))
		return r;
	for (size = SMALLEST; size < end - KF_PICOBOOT_FLASH; size *= 2) {
		r = kf_picoboot_read(p, KF_PICOBOOT_FLASH + size, there, sizeof(there), err);
		if (r < 0)
			return r;
		if (memcmp(first, there, sizeof(first)) == 0) {
			*ret = size;
			return 0;
		}
	}
	return 0;
}

int kf_picoboot_leave(struct kf_picoboot *p, struct kf_error *err)
{
	const struct kf_picoboot_command command = kf_picoboot_reboot(p->rp2350, REBOOT_DELAY_MS);
	struct kf_error why;
	int r = run(p, command, NULL, &why);

	if (r == 0 || why.code == KF_GONE)
		return 0;
	if (err)
		*err = why;
	return r;
}
