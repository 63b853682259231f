/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The conversation with STM32's ROM, against a ROM of our own behind kf_usb_*: what is written and
 * in which order, and a fault at every transfer.
 */
#include <errno.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/text.h"
#include "dfu/session.h"
#include "unit/test.h"
#include "usb/text.h"

enum { FLASH = 0x08000000, FLASH_BYTES = 128 * 1024, IMAGE_BYTES = 40 * 1024 + 44 };
enum { IDLE = 2, SYNC, BUSY, DNLOAD_IDLE, MANIFEST_SYNC, MANIFEST, UPLOAD_IDLE = 9, ERROR };
enum { DNLOAD = 1, UPLOAD, GETSTATUS, CLRSTATUS, GETSTATE, ABORT };

enum fault { NO_FAULT, STALL, TIMEOUT, GONE, BUS, SHORT, REPORTED, FAULTS };

static struct rom {
	uint8_t flash[FLASH_BYTES];
	const char *texts[3]; /* of its alternate settings */
	uint16_t block_bytes;
	uint32_t poll_ms, pointer;
	uint8_t state, status, reports;
	bool is_protected, gone, leaves;
	int64_t busy_until_ms;
	unsigned transfers, fault_at, early;
	enum fault fault;
	int started; /* times that a program was started */
	uint32_t start;
	/* of the write: the pending command */
	uint8_t pending[KF_DFU_BLOCK_MAX];
	size_t pending_len;
	uint16_t pending_block;
} rom;

static const char f4[] = "@Internal Flash  /0x08000000/04*016Kg,01*064Kg";

size_t __wrap_kf_usb_alternates(const struct kf_usb_handle *handle,
				struct kf_usb_alternate ret[KF_USB_ALTERNATES_MAX]);
size_t __wrap_kf_usb_descriptor(const struct kf_usb_handle *handle, uint8_t interface, uint8_t type,
				uint8_t *ret, size_t size);
int __wrap_kf_usb_text(struct kf_usb_handle *handle, uint8_t index, int64_t deadline_ms,
		       char ret[KF_USB_TEXT_SIZE]);
int __wrap_kf_usb_claim(struct kf_usb_handle *handle, const struct kf_usb_alternate *alternate,
			struct kf_error *err);
ssize_t __wrap_kf_usb_control(struct kf_usb_handle *handle, const struct kf_usb_request *request,
			      void *data, uint16_t len, int64_t deadline_ms);
int __wrap_kf_usb_failed(const struct kf_usb_handle *handle, int r, struct kf_error *err);

size_t __wrap_kf_usb_alternates(const struct kf_usb_handle *handle,
				struct kf_usb_alternate ret[KF_USB_ALTERNATES_MAX])
{
	size_t count = 0;

	(void)handle;
	for (; count < KF_ARRAY_SIZE(rom.texts) && rom.texts[count]; count++)
		ret[count] = (struct kf_usb_alternate){ .number = (uint8_t)count,
							.interface_class = 0xfe,
							.subclass = 1,
							.protocol = 2,
							.name = (uint8_t)(count + 1) };
	return count;
}

size_t __wrap_kf_usb_descriptor(const struct kf_usb_handle *handle, uint8_t interface, uint8_t type,
				uint8_t *ret, size_t size)
{
	const uint8_t d[9] = { 9,
			       0x21,
			       0x0b,
			       0xff,
			       0,
			       (uint8_t)rom.block_bytes,
			       (uint8_t)(rom.block_bytes >> 8),
			       0x1a,
			       1 };

	(void)handle;
	(void)interface;
	CHECK(type == 0x21 && size == sizeof(d));
	memcpy(ret, d, sizeof(d));
	return rom.block_bytes ? sizeof(d) : 0;
}

int __wrap_kf_usb_text(struct kf_usb_handle *handle, uint8_t index, int64_t deadline_ms,
		       char ret[KF_USB_TEXT_SIZE])
{
	(void)handle;
	(void)deadline_ms;
	kf_text_format(ret, KF_USB_TEXT_SIZE, "%s", rom.texts[index - 1]);
	return 0;
}

int __wrap_kf_usb_claim(struct kf_usb_handle *handle, const struct kf_usb_alternate *alternate,
			struct kf_error *err)
{
	(void)handle;
	(void)err;
	CHECK(strcmp(rom.texts[alternate->number], f4) == 0);
	return 0;
}

static ssize_t fail_with(uint8_t status)
{
	rom.status = status;
	rom.state = ERROR;
	return -EPIPE;
}

/* The ROM does its work once its status was asked for. */
static void work(void)
{
	uint32_t address = rom.pending_len >= 5 ? kf_get_le32(rom.pending + 1) : 0;
	uint32_t to = rom.pointer + (rom.pending_block - 2u) * rom.block_bytes - FLASH;
	uint32_t sector_bytes = address - FLASH < 0x10000 ? 0x4000 : 0x10000;

	if (rom.pending_block == 0 && rom.pending[0] == 0x21)
		rom.pointer = address;
	else if (rom.is_protected)
		fail_with(0x0b);
	else if (rom.pending_block == 0 && address - FLASH < FLASH_BYTES)
		memset(rom.flash + (address - FLASH) / sector_bytes * sector_bytes, 0xff,
		       sector_bytes);
	else if (rom.pending_block < 2 || to + rom.pending_len > FLASH_BYTES)
		fail_with(8);
	for (size_t i = 0; rom.state != ERROR && rom.pending_block >= 2 && i < rom.pending_len; i++)
		rom.flash[to + i] &= rom.pending[i];
}

static ssize_t get_status(uint8_t *answer)
{
	int64_t now_ms = kf_now_ms();

	if (rom.state == BUSY && now_ms < rom.busy_until_ms)
		rom.early++;
	else if (rom.state == BUSY)
		rom.state = DNLOAD_IDLE;
	if (rom.state == MANIFEST_SYNC) {
		rom.started++;
		rom.start = rom.pointer;
		rom.gone = rom.leaves;
		rom.state = MANIFEST;
	} else if (rom.state == SYNC) {
		rom.state = BUSY;
		work();
		rom.busy_until_ms = now_ms + rom.poll_ms;
	}
	answer[0] = rom.status;
	answer[1] = (uint8_t)rom.poll_ms;
	answer[2] = (uint8_t)(rom.poll_ms >> 8);
	answer[3] = answer[5] = 0;
	answer[4] = rom.state;
	return 6;
}

static ssize_t upload(uint16_t block, uint8_t *data, size_t len)
{
	uint32_t from = rom.pointer + (block - 2u) * rom.block_bytes - FLASH;

	if (rom.is_protected)
		return fail_with(0x0b);
	if ((rom.state != IDLE && rom.state != UPLOAD_IDLE) || from + len > FLASH_BYTES)
		return fail_with(0x0f);
	memcpy(data, rom.flash + from, len);
	rom.state = UPLOAD_IDLE;
	return (ssize_t)len;
}

static ssize_t download(uint16_t block, const uint8_t *data, size_t len)
{
	if ((rom.state != IDLE && rom.state != DNLOAD_IDLE) || len > rom.block_bytes)
		return fail_with(0x0f);
	if (len)
		memcpy(rom.pending, data, len);
	rom.pending_len = len;
	rom.pending_block = block;
	rom.state = len ? SYNC : MANIFEST_SYNC;
	return (ssize_t)len;
}

static ssize_t answer(const struct kf_usb_request *r, void *data, uint16_t len)
{
	switch (r->request) {
	case GETSTATUS:
		return get_status(data);
	case GETSTATE:
		*(uint8_t *)data = rom.state;
		return 1;
	case CLRSTATUS:
		rom.state = rom.state == ERROR ? IDLE : rom.state;
		rom.status = 0;
		return 0;
	case ABORT:
		if (rom.state == ERROR)
			return fail_with(0x0f);
		rom.state = IDLE;
		return 0;
	case UPLOAD:
		return upload(r->value, data, len);
	default:
		return download(r->value, data, len);
	}
}

ssize_t __wrap_kf_usb_control(struct kf_usb_handle *handle, const struct kf_usb_request *request,
			      void *data, uint16_t len, int64_t deadline_ms)
{
	ssize_t got;

	(void)handle;
	(void)deadline_ms;
	CHECK((request->type & 0x7f) == 0x21);
	if (rom.gone)
		return -ENODEV;
	if (rom.fault == NO_FAULT || rom.transfers++ != rom.fault_at) {
		got = answer(request, data, len);
		return rom.gone ? -ENODEV : got;
	}
	switch (rom.fault) {
	case STALL:
		return fail_with(0x0f);
	case TIMEOUT: /* the ROM has it, and its answer is lost */
		answer(request, data, len);
		return -ETIMEDOUT;
	case GONE:
		rom.gone = true;
		return -ENODEV;
	case BUS:
		return -EIO;
	case SHORT:
		got = answer(request, data, len);
		return got > 0 ? got - 1 : got;
	default:
		fail_with(rom.reports);
		return request->request == GETSTATUS ? get_status(data) : -EPIPE;
	}
}

int __wrap_kf_usb_failed(const struct kf_usb_handle *handle, int r, struct kf_error *err)
{
	(void)handle;
	return kf_fail(err,
		       r == -ENODEV	 ? KF_GONE
		       : r == -ETIMEDOUT ? KF_TIMEOUT
		       : r == -EPIPE	 ? KF_PROTOCOL
		       : r == -EPROTO	 ? KF_PROTOCOL
		       : r == -EINTR	 ? KF_INTERRUPTED
					 : KF_IO,
		       "errno %d", -r);
}

static uint8_t image[IMAGE_BYTES];

/* A board with old firmware all over its flash. */
static void reset(uint16_t block_bytes)
{
	rom = (struct rom){ .texts = { "@Option Bytes  /0x1FFFC000/01*016 e", f4 },
			    .block_bytes = block_bytes,
			    .state = IDLE };
	memset(rom.flash, 0x42, sizeof(rom.flash));
	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(i * 7 + i / 251);
}

static unsigned bad_order; /* times that the flash looked whole before it was */

static void look(size_t done, size_t total, void *arg)
{
	(void)arg;
	CHECK(done <= total && total == IMAGE_BYTES);
	if (done < total && kf_get_le32(rom.flash) != UINT32_MAX)
		bad_order++;
}

static int flash_at(uint32_t address, struct kf_error *err)
{
	struct kf_dfu dfu = { .usb = (struct kf_usb_handle *)&rom,
			      .deadline_ms = kf_now_ms() + 20000 };
	uint8_t vectors[8];
	int r = kf_dfu_begin(&dfu, FLASH, err);

	if (r == 0)
		r = kf_dfu_read(&dfu, FLASH, vectors, sizeof(vectors), err);
	if (r == 0)
		r = kf_dfu_erase(&dfu, address, sizeof(image), look, NULL, err);
	if (r == 0)
		r = kf_dfu_write(&dfu, address, image, sizeof(image), look, NULL, err);
	if (r == 0)
		r = kf_dfu_verify(&dfu, address, image, sizeof(image), NULL, NULL, err);
	return r < 0 ? r : kf_dfu_start(&dfu, address, err);
}

static bool is_there(uint32_t address)
{
	return memcmp(rom.flash + (address - FLASH), image, sizeof(image)) == 0;
}

/* The sectors that the image does not reach are unchanged. */
static bool rest_is_whole(size_t from)
{
	for (size_t i = from; i < FLASH_BYTES; i++)
		if (rom.flash[i] != 0x42)
			return false;
	return true;
}

TEST(an_image_is_written_and_read_back_in_blocks_of_any_size)
{
	static const uint16_t sizes[] = { 64, 100, 1024, 2048, 4096 };
	struct kf_error err = { 0 };

	for (size_t i = 0; i < KF_ARRAY_SIZE(sizes); i++) {
		reset(sizes[i]);
		CHECK(flash_at(FLASH, &err) == 0);
		CHECK_STR(err.message, "");
		CHECK(is_there(FLASH) && rest_is_whole(0xc000));
		CHECK(rom.started == 1 && rom.start == FLASH);
	}
	reset(2048);
	CHECK(flash_at(FLASH + 0x8000, &err) == 0 && is_there(FLASH + 0x8000));
	CHECK(rom.flash[0x7fff] == 0x42 && rom.start == FLASH + 0x8000);
	CHECK(bad_order > 0); /* the first word is another image's here */
}

TEST(the_block_with_the_first_word_is_written_last)
{
	struct kf_error err;

	reset(2048);
	bad_order = 0;
	CHECK(flash_at(FLASH, &err) == 0 && bad_order == 0);
}

TEST(the_poll_time_is_kept)
{
	struct kf_error err;

	reset(4096);
	rom.poll_ms = 3;
	CHECK(flash_at(FLASH, &err) == 0 && rom.early == 0);
}

TEST(no_request_is_sent_that_tells_nothing_new)
{
	const unsigned command = 3; /* it, its status, and its status when it is done */
	const unsigned end = 2;	    /* ABORT, and its status */
	const unsigned blocks = IMAGE_BYTES / 2048 + 1;
	const unsigned sectors = 3;
	struct kf_error err;

	reset(2048);
	rom.fault = STALL;
	rom.fault_at = UINT32_MAX;
	CHECK(flash_at(FLASH, &err) == 0);
	CHECK(rom.transfers == 2 +				 /* its state, its status */
				       command + end + 1 + end + /* the vectors */
				       end + sectors * command + /* erase */
				       command + blocks * command + command + end + blocks + end +
				       command + 2 /* start */);
}

/* An error says where in the flash it was, once. */
static bool names_two_addresses(const char *message)
{
	const char *first = strstr(message, "0x080");

	return first && strstr(first + 1, "0x080");
}

TEST(a_fault_at_each_transfer_is_told_and_the_next_run_succeeds)
{
	unsigned transfers, failures = 0;
	struct kf_error err;

	reset(4096);
	rom.fault = BUS;
	rom.fault_at = UINT32_MAX;
	CHECK(flash_at(FLASH, &err) == 0);
	transfers = rom.transfers;
	CHECK(transfers > 50);
	for (enum fault fault = STALL; fault < FAULTS; fault++)
		for (unsigned at = 0; at < transfers; at++) {
			bool told;

			reset(4096);
			rom.fault = fault;
			rom.fault_at = at;
			rom.reports = (uint8_t)(1 + at % 10);
			err = (struct kf_error){ 0 };
			told = flash_at(FLASH, &err) < 0 && err.message[0];
			/* "Flashed" is true. Only the board's return proves that it started. */
			if (!told && !is_there(FLASH)) {
				printf("# fault %d at %u: not told\n", fault, at);
				CHECK(told);
			}
			CHECK(!names_two_addresses(err.message));
			failures += told;
			CHECK(rest_is_whole(0xc000));
			if (!told || rom.started)
				continue;
			rom.fault = NO_FAULT;
			rom.gone = false;
			if (flash_at(FLASH, &err) < 0 || !is_there(FLASH)) {
				printf("# after fault %d at %u: %s\n", fault, at, err.message);
				CHECK(!"it is flashed then");
			}
		}
	CHECK(failures > (FAULTS - 1) * (transfers - 10));
}

TEST(each_status_is_named)
{
	char want[256];
	struct kf_error err;

	for (uint8_t status = 1; status < 18; status++) {
		reset(2048);
		rom.fault = REPORTED;
		rom.fault_at = 13; /* the status of the first erase */
		rom.reports = status;
		CHECK(flash_at(FLASH, &err) < 0);
		kf_text_format(want, sizeof(want), "the bootloader reports %s",
			       kf_dfu_status_text(status));
		if (status == 0x0b)
			CHECK(err.code == KF_PERMISSION);
		else
			CHECK(err.code == KF_FLASH_FAILED && strstr(err.message, want));
	}
	CHECK_STR(kf_dfu_status_text(4), "errERASE: it cannot erase its memory");
}

TEST(read_protection_is_told_and_never_removed)
{
	struct kf_error err;

	reset(2048);
	rom.is_protected = true;
	CHECK(flash_at(FLASH, &err) < 0 && err.code == KF_PERMISSION);
	CHECK(strstr(err.message, "read-protected") && strstr(err.hint, "erases the whole chip"));
	CHECK(rest_is_whole(0));
}

TEST(what_is_no_flash_of_an_stm32_is_refused)
{
	struct kf_error err;

	reset(2048);
	rom.texts[1] = "@Device Feature/0xFFFF0000/01*004 e";
	CHECK(flash_at(FLASH, &err) < 0 && err.code == KF_PROTOCOL);
	CHECK_STR(err.message, "the bootloader shows no flash at 0x08000000 that can be written");
	reset(32);
	CHECK(flash_at(FLASH, &err) < 0);
	CHECK_STR(err.message, "the bootloader wants blocks of 32 bytes, not of 64 to 4096");
	reset(8192);
	CHECK(flash_at(FLASH, &err) < 0 && err.code == KF_PROTOCOL);
	reset(0);
	CHECK(flash_at(FLASH, &err) < 0 && err.code == KF_PROTOCOL);
	CHECK(rest_is_whole(0));
}

TEST(it_begins_where_another_program_ended)
{
	static const uint8_t states[] = {
		SYNC, BUSY, DNLOAD_IDLE, MANIFEST_SYNC, UPLOAD_IDLE, ERROR
	};
	struct kf_error err;

	for (size_t i = 0; i < KF_ARRAY_SIZE(states); i++) {
		reset(2048);
		rom.state = states[i];
		rom.status = states[i] == ERROR ? 8 : 0;
		rom.pending_len = 5;
		rom.pending[0] = 0x21;
		rom.leaves = true;
		CHECK(flash_at(FLASH, &err) == 0 && is_there(FLASH) && rom.started == 1);
	}
}

TEST(a_bootloader_that_is_never_ready_meets_the_deadline)
{
	struct kf_dfu dfu = { .usb = (struct kf_usb_handle *)&rom,
			      .deadline_ms = kf_now_ms() + 50 };
	struct kf_error err;

	reset(2048);
	CHECK(kf_dfu_begin(&dfu, FLASH, &err) == 0);
	rom.poll_ms = 0xffff;
	CHECK(kf_dfu_erase(&dfu, FLASH, 1, NULL, NULL, &err) < 0 && err.code == KF_TIMEOUT);
}

TEST(leaving_is_a_disconnect_a_stall_or_an_answer)
{
	struct kf_error err;

	reset(4096);
	rom.leaves = true;
	CHECK(flash_at(FLASH, &err) == 0 && rom.started == 1);
	for (enum fault fault = STALL; fault < SHORT; fault++) {
		reset(4096);
		rom.fault = fault;
		rom.fault_at = UINT32_MAX;
		CHECK(flash_at(FLASH, &err) == 0);
		rom.fault_at = rom.transfers - 1;
		rom.transfers = 0;
		rom.state = IDLE;
		CHECK(flash_at(FLASH, &err) == 0);
	}
}

TEST_MAIN(T(an_image_is_written_and_read_back_in_blocks_of_any_size),
	  T(the_block_with_the_first_word_is_written_last), T(the_poll_time_is_kept),
	  T(no_request_is_sent_that_tells_nothing_new),
	  T(a_fault_at_each_transfer_is_told_and_the_next_run_succeeds), T(each_status_is_named),
	  T(read_protection_is_told_and_never_removed), T(what_is_no_flash_of_an_stm32_is_refused),
	  T(it_begins_where_another_program_ended),
	  T(a_bootloader_that_is_never_ready_meets_the_deadline),
	  T(leaving_is_a_disconnect_a_stall_or_an_answer))
