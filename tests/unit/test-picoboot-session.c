/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Conversations with a ROM that answers as boot/picoboot.h says; the transfers of lib/usb are this
 * file's own. Each transfer fails once in each way.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "picoboot/command.h"
#include "picoboot/session.h"
#include "unit/test.h"

enum { FLASH_BYTES = 1 << 20, IMAGE_BYTES = 70001, IN = 0x84, OUT = 3 };

static struct rom {
	uint8_t *flash;
	uint32_t flash_bytes;
	bool claimed, exclusive, xip, stalled, rebooted;
	uint32_t status;
	uint8_t command[KF_PICOBOOT_COMMAND_BYTES];
	enum { COMMAND, DATA, ACK } next;
	/* the transfer that fails, and how: a negative errno, or 1 for one that is too short */
	size_t transfers, fail_at;
	int fault;
	size_t erases, writes;
} rom;

static uint32_t argument(size_t i)
{
	return kf_get_le32(rom.command + 16 + 4 * i);
}

/* The chip has no more address lines: behind its end it begins again. */
static uint8_t *at(uint32_t address)
{
	return rom.flash + (address - KF_PICOBOOT_FLASH) % rom.flash_bytes;
}

static ssize_t stall(uint32_t status)
{
	rom.stalled = true;
	rom.status = status;
	return -EPIPE;
}

/* 0, or how this transfer fails. */
static int fault(void)
{
	return rom.transfers++ == rom.fail_at ? rom.fault : 0;
}

static ssize_t erase(void)
{
	uint32_t address = argument(0), bytes = argument(1);

	if (address % 4096 || bytes % 4096)
		return stall(5);
	for (uint32_t i = 0; i < bytes; i++)
		*at(address + i) = 0xff;
	rom.erases++;
	return 0;
}

static ssize_t take_command(const uint8_t *data, size_t len)
{
	if (len != sizeof(rom.command) || kf_get_le32(data) != 0x431fd10b)
		return stall(1);
	memcpy(rom.command, data, len);
	rom.next = kf_get_le32(data + 12) ? DATA : ACK;
	if (data[8] == KF_PICOBOOT_EXCLUSIVE)
		rom.exclusive = data[16] == 1;
	else if (data[8] == KF_PICOBOOT_EXIT_XIP)
		rom.xip = false;
	else if (data[8] == KF_PICOBOOT_REBOOT || data[8] == KF_PICOBOOT_REBOOT2)
		rom.rebooted = true;
	else if (rom.xip || !rom.exclusive)
		return stall(10);
	if (data[8] == KF_PICOBOOT_ERASE && erase() < 0)
		return -EPIPE;
	return (ssize_t)len;
}

static ssize_t take_data(uint8_t *data, size_t len)
{
	bool reads = rom.command[8] & 0x80;

	rom.next = ACK;
	if (len != kf_get_le32(rom.command + 12))
		return stall(3);
	if (!reads && (argument(0) % 256 || len % 256))
		return stall(5);
	for (size_t i = 0; i < len; i++) {
		uint8_t *byte = at(argument(0) + (uint32_t)i);

		if (reads)
			data[i] = *byte;
		else
			*byte &= data[i]; /* a write only clears bits */
	}
	rom.writes += !reads;
	return (ssize_t)len;
}

size_t kf_usb_alternates(const struct kf_usb_handle *handle,
			 struct kf_usb_alternate ret[KF_USB_ALTERNATES_MAX])
{
	static const struct kf_usb_alternate drive = { 0, 0, 8, 6, 80, 0, 0x81, 2 };

	(void)handle;
	ret[0] = drive;
	ret[1] = (struct kf_usb_alternate){
		.interface = 1, .interface_class = 0xff, .in = IN, .out = OUT
	};
	return 2;
}

int kf_usb_claim(struct kf_usb_handle *handle, const struct kf_usb_alternate *alternate,
		 struct kf_error *err)
{
	(void)handle;
	if (rom.claimed)
		return kf_fail(err, KF_BUSY, "another program has it");
	CHECK(alternate->interface == 1);
	return 0;
}

ssize_t kf_usb_control(struct kf_usb_handle *handle, const struct kf_usb_request *request,
		       void *data, uint16_t len, int64_t deadline_ms)
{
	int r = fault();

	(void)handle;
	CHECK(deadline_ms < kf_now_ms() + 60000 && request->index == 1 && request->value == 0);
	if (r)
		return r < 0 ? r : 0;
	if (request->request == KF_PICOBOOT_CONTROL_RESET) {
		CHECK(request->type == 0x41 && len == 0);
		rom.next = COMMAND;
		rom.stalled = false;
		return 0;
	}
	CHECK(request->request == KF_PICOBOOT_CONTROL_STATUS && request->type == 0xc1 && len == 16);
	memset(data, 0, len);
	memcpy(data, rom.command + 4, 4);
	kf_put_le32((uint8_t *)data + 4, rom.status);
	return len;
}

ssize_t kf_usb_bulk(struct kf_usb_handle *handle, uint8_t endpoint, void *data, size_t len,
		    int64_t deadline_ms)
{
	bool reads = rom.command[8] & 0x80;
	int r = fault();

	(void)handle;
	CHECK(deadline_ms < kf_now_ms() + 60000);
	if (r < 0)
		return r == -EPIPE ? stall(8) : r;
	if (rom.stalled)
		return -EPIPE;
	if (r > 0)
		return rom.next == ACK && endpoint == IN ? 1 : (ssize_t)len - 1;
	CHECK(endpoint == (rom.next == COMMAND ? OUT : (rom.next == ACK) == reads ? OUT : IN));
	if (rom.next == COMMAND)
		return take_command(data, len);
	if (rom.next == DATA)
		return take_data(data, len);
	rom.next = COMMAND;
	return 0;
}

int kf_usb_clear_halt(struct kf_usb_handle *handle, uint8_t endpoint)
{
	int r = fault();

	(void)handle;
	CHECK(endpoint == IN || endpoint == OUT);
	return r < 0 ? r : 0;
}

int kf_usb_failed(const struct kf_usb_handle *handle, int r, struct kf_error *err)
{
	(void)handle;
	switch (r) {
	case -EINTR:
		return kf_fail_stopped(err);
	case -ENODEV:
		return kf_fail(err, KF_GONE, "gone");
	case -ETIMEDOUT:
		return kf_fail(err, KF_TIMEOUT, "silent");
	default:
		return kf_fail(err, KF_PROTOCOL, "%d", r);
	}
}

static uint8_t image[IMAGE_BYTES];

/* A ROM with some other firmware in a flash of so many bytes. */
static void start_rom(uint32_t flash_bytes)
{
	free(rom.flash);
	rom = (struct rom){ .flash = malloc(flash_bytes),
			    .flash_bytes = flash_bytes,
			    .xip = true,
			    .fail_at = SIZE_MAX };
	for (uint32_t i = 0; i < flash_bytes; i++)
		rom.flash[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(i * 3 + i / 255);
}

/* The next conversation: what an earlier one has left stays. */
static int flash(uint32_t start, struct kf_error *err)
{
	struct kf_picoboot p = { .deadline_ms = kf_now_ms() + 30000 };
	struct kf_picoboot_pages pages;
	int r = kf_picoboot_pages_find(image, sizeof(image), start, &pages, err);

	if (r == 0)
		r = kf_picoboot_begin(&p, err);
	if (r == 0)
		r = kf_picoboot_erase(&p, &pages, NULL, NULL, err);
	if (r == 0)
		r = kf_picoboot_write(&p, &pages, image, sizeof(image), NULL, NULL, err);
	if (r == 0)
		r = kf_picoboot_verify(&p, start, image, sizeof(image), NULL, NULL, err);
	return r < 0 ? r : kf_picoboot_leave(&p, err);
}

static bool is_written(uint32_t start)
{
	return memcmp(at(start), image, sizeof(image)) == 0;
}

TEST(an_image_is_written_and_nothing_else)
{
	struct kf_error err;
	uint8_t before[0x4000];

	start_rom(FLASH_BYTES);
	memcpy(before, rom.flash, sizeof(before));
	CHECK(flash(0x10004000, &err) == 0 && is_written(0x10004000) && rom.rebooted);
	CHECK(memcmp(before, rom.flash, sizeof(before)) == 0);
	CHECK(rom.flash[0x4000 + IMAGE_BYTES] == 0xff); /* the rest of the last page */
	CHECK(rom.flash[0x16000] == (uint8_t)(0x16000 * 7 + 0x16000 / 251));
	CHECK(rom.erases == 2);
}

TEST(each_transfer_fails_once_in_each_way)
{
	static const int faults[] = { -EPIPE, -ETIMEDOUT, -ENODEV, -EINTR, -EIO, 1 };
	struct kf_error err;
	size_t count;

	start_rom(FLASH_BYTES);
	CHECK(flash(KF_PICOBOOT_FLASH, &err) == 0);
	count = rom.transfers;
	for (size_t f = 0; f < KF_ARRAY_SIZE(faults); f++) {
		for (size_t i = 0; i < count; i++) {
			int r;

			start_rom(FLASH_BYTES);
			rom.fail_at = i;
			rom.fault = faults[f];
			r = flash(KF_PICOBOOT_FLASH, &err);
			/* A fault that changes nothing: at the last command the board has left. */
			CHECK(r < 0 || i + 2 >= count || faults[f] == 1);
			CHECK(r == 0 || err.message[0]);
			if (faults[f] == -EINTR)
				CHECK(r == -EINTR);
			if (faults[f] == -EPIPE && r < 0 && i > 2)
				CHECK(err.code == KF_FLASH_FAILED &&
				      strstr(err.message, "unknown error"));
			/* Once something is erased, the ROM must not start what is there. */
			if (rom.erases > 0 && !is_written(KF_PICOBOOT_FLASH))
				CHECK(memcmp(rom.flash, image, KF_PICOBOOT_PAGE) != 0);
			rom.fail_at = SIZE_MAX;
			CHECK(flash(KF_PICOBOOT_FLASH, &err) == 0 && is_written(KF_PICOBOOT_FLASH));
		}
	}
}

TEST(a_byte_that_was_not_written_is_found)
{
	struct kf_picoboot p = { .deadline_ms = kf_now_ms() + 30000 };
	struct kf_error err;

	start_rom(FLASH_BYTES);
	CHECK(flash(KF_PICOBOOT_FLASH, &err) == 0);
	CHECK(kf_picoboot_begin(&p, &err) == 0);
	rom.flash[0x4567] ^= 4;
	CHECK(kf_picoboot_verify(&p, KF_PICOBOOT_FLASH, image, sizeof(image), NULL, NULL, &err) ==
	      kf_code_errno(KF_VERIFY_FAILED));
	CHECK(strstr(err.message, "0x10004567"));
}

TEST(a_flash_that_repeats_itself_is_too_small)
{
	static const struct {
		uint32_t bytes, end, want;
		bool erased;
	} cases[] = {
		{ 128 << 10, 0x10000000 + (128 << 10), 0, false },
		{ 128 << 10, 0x10000001 + (128 << 10), 128 << 10, false },
		{ 128 << 10, 0x10000000 + (900 << 10), 128 << 10, false },
		{ 1 << 20, 0x10000000 + (900 << 10), 0, false },
		{ 1 << 20, 0x10000000 + (1 << 24), 1 << 20, false },
		{ 128 << 10, 0x10000000 + (900 << 10), 0, true },
	};
	struct kf_picoboot p;
	struct kf_error err;
	uint32_t size = 1;

	for (size_t i = 0; i < KF_ARRAY_SIZE(cases); i++) {
		start_rom(cases[i].bytes);
		if (cases[i].erased)
			memset(rom.flash, 0xff, 4096);
		p = (struct kf_picoboot){ .deadline_ms = kf_now_ms() + 30000 };
		CHECK(kf_picoboot_begin(&p, &err) == 0);
		CHECK(kf_picoboot_too_small(&p, cases[i].end, &size, &err) == 0);
		CHECK(size == cases[i].want);
	}
}

TEST(another_program_has_it)
{
	struct kf_error err;

	start_rom(FLASH_BYTES);
	rom.claimed = true;
	CHECK(flash(KF_PICOBOOT_FLASH, &err) == kf_code_errno(KF_BUSY) && rom.transfers == 0);
}

TEST_MAIN(T(an_image_is_written_and_nothing_else), T(each_transfer_fails_once_in_each_way),
	  T(a_byte_that_was_not_written_is_found), T(a_flash_that_repeats_itself_is_too_small),
	  T(another_program_has_it))
