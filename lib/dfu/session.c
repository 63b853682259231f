/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "dfu/session.h"
#include "usb/text.h"

enum {
	/* of the interface, and of its own descriptor (DFU 1.1, 4.1.3 and 4.2.3) */
	APPLICATION = 0xfe,
	DFU = 0x01,
	DFU_MODE = 0x02,
	FUNCTIONAL = 0x21,
	FUNCTIONAL_BYTES = 9,
	TRANSFER_SIZE_AT = 5,
	TEXT_MS = 5000,
	/* An H7 programs 32 bytes at once (RM0433), other STM32 2 to 16: a write ends with whole
	 * ones. */
	PROGRAM_BYTES = 32,
};

static bool is_dfu(const struct kf_usb_alternate *a)
{
	return a->interface_class == APPLICATION && a->subclass == DFU && a->protocol == DFU_MODE;
}

/* Does this setting show the flash? Others are option bytes, OTP memory, external flash. */
static int has_flash(struct kf_dfu *dfu, const struct kf_usb_alternate *a, uint32_t flash)
{
	char text[KF_USB_TEXT_SIZE];
	struct kf_dfu_sector s;
	int r = kf_usb_text(dfu->usb, a->name, kf_within_ms(TEXT_MS, dfu->deadline_ms), text);

	if (r < 0)
		return r;
	return kf_dfu_memory_parse(text, &dfu->memory) &&
	       kf_dfu_memory_sector(&dfu->memory, flash, &s) && s.erasable && s.writable;
}

static int find_flash(struct kf_dfu *dfu, uint32_t flash, struct kf_usb_alternate *ret,
		      struct kf_error *err)
{
	struct kf_usb_alternate list[KF_USB_ALTERNATES_MAX];
	size_t count = kf_usb_alternates(dfu->usb, list);
	int r;

	for (size_t i = 0; i < count; i++) {
		r = is_dfu(&list[i]) ? has_flash(dfu, &list[i], flash) : 0;
		if (r < 0)
			return kf_usb_failed(dfu->usb, r, err);
		if (r == 0)
			continue;
		*ret = list[i];
		return 0;
	}
	kf_fail(err, KF_PROTOCOL, "the bootloader shows no flash at 0x%08x that can be written",
		flash);
	return kf_error_hint(err,
			     "it is not the DFU of an STM32's ROM: flash the board as its maker "
			     "says");
}

static int read_block_bytes(struct kf_dfu *dfu, struct kf_error *err)
{
	uint8_t d[FUNCTIONAL_BYTES] = { 0 };
	size_t got = kf_usb_descriptor(dfu->usb, dfu->interface, FUNCTIONAL, d, sizeof(d));

	dfu->block_bytes = (uint16_t)(d[TRANSFER_SIZE_AT] | d[TRANSFER_SIZE_AT + 1] << 8);
	if (got >= TRANSFER_SIZE_AT + 2 && dfu->block_bytes >= KF_DFU_BLOCK_MIN &&
	    dfu->block_bytes <= KF_DFU_BLOCK_MAX)
		return 0;
	return kf_fail(err, KF_PROTOCOL, "the bootloader wants blocks of %u bytes, not of %d to %d",
		       dfu->block_bytes, KF_DFU_BLOCK_MIN, KF_DFU_BLOCK_MAX);
}

int kf_dfu_begin(struct kf_dfu *dfu, uint32_t flash, struct kf_error *err)
{
	struct kf_usb_alternate alternate;
	int r = find_flash(dfu, flash, &alternate, err);

	if (r < 0)
		return r;
	dfu->interface = alternate.interface;
	dfu->alternate = alternate.number;
	r = read_block_bytes(dfu, err);
	if (r == 0)
		r = kf_usb_claim(dfu->usb, &alternate, err);
	if (r < 0)
		return r;
	kf_dfu_cancel_start(dfu);
	return kf_dfu_idle(dfu, err);
}

/* The bytes of block i out of len. */
static size_t block_len(const struct kf_dfu *dfu, size_t i, size_t len)
{
	size_t left = len - i * dfu->block_bytes;

	return left < dfu->block_bytes ? left : dfu->block_bytes;
}

static size_t blocks(const struct kf_dfu *dfu, size_t len)
{
	return (len + dfu->block_bytes - 1) / dfu->block_bytes;
}

/* Blocks are read in idle, after the address; and after the last one it is idle again. */
static int begin_read(struct kf_dfu *dfu, uint32_t address, struct kf_error *err)
{
	int r = kf_dfu_set_address(dfu, address, err);

	return r < 0 ? r : kf_dfu_end(dfu, err);
}

static int read_block(struct kf_dfu *dfu, size_t i, uint32_t address, uint8_t *ret, size_t len,
		      struct kf_error *err)
{
	int r = kf_dfu_read_block(dfu, i, ret, block_len(dfu, i, len), err);

	if (r < 0)
		kf_error_prefix(err, "reading at 0x%08zx", address + i * dfu->block_bytes);
	return r;
}

int kf_dfu_read(struct kf_dfu *dfu, uint32_t address, uint8_t *ret, size_t len,
		struct kf_error *err)
{
	int r = begin_read(dfu, address, err);

	for (size_t i = 0; r == 0 && i < blocks(dfu, len); i++)
		r = read_block(dfu, i, address, ret + i * dfu->block_bytes, len, err);
	return r < 0 ? r : kf_dfu_end(dfu, err);
}

int kf_dfu_erase(struct kf_dfu *dfu, uint32_t address, size_t len, kf_dfu_progress *progress,
		 void *arg, struct kf_error *err)
{
	uint64_t at = address, end = at + len;
	struct kf_dfu_sector s;
	int r = kf_dfu_end(dfu, err);

	while (r == 0 && at < end && kf_dfu_memory_sector(&dfu->memory, (uint32_t)at, &s)) {
		r = kf_dfu_erase_sector(dfu, s.start, err);
		if (r < 0)
			return r;
		at = (uint64_t)s.start + s.bytes;
		if (progress)
			progress(at < end ? (size_t)(at - address) : len, len, arg);
	}
	return r;
}

/* A block of the image, up to a whole unit that the chip programs. */
static int write_block(struct kf_dfu *dfu, size_t i, uint32_t address, const uint8_t *data,
		       size_t len, struct kf_error *err)
{
	uint8_t padded[KF_DFU_BLOCK_MAX + PROGRAM_BYTES];
	size_t bytes = block_len(dfu, i, len);
	int r;

	memset(padded, 0xff, sizeof(padded));
	memcpy(padded, data + i * dfu->block_bytes, bytes);
	bytes = (bytes + PROGRAM_BYTES - 1) / PROGRAM_BYTES * PROGRAM_BYTES;
	if (bytes > dfu->block_bytes)
		bytes = dfu->block_bytes;
	r = kf_dfu_write_block(dfu, i, padded, bytes, err);
	if (r < 0)
		kf_error_prefix(err, "writing at 0x%08zx", address + i * dfu->block_bytes);
	return r;
}

int kf_dfu_write(struct kf_dfu *dfu, uint32_t address, const uint8_t *data, size_t len,
		 kf_dfu_progress *progress, void *arg, struct kf_error *err)
{
	size_t count = blocks(dfu, len), done = 0;
	int r = kf_dfu_set_address(dfu, address, err);

	for (size_t i = 1; r == 0 && i <= count; i++) {
		r = write_block(dfu, i % count, address, data, len, err);
		done += block_len(dfu, i % count, len);
		if (r == 0 && progress)
			progress(done, len, arg);
	}
	return r;
}

int kf_dfu_verify(struct kf_dfu *dfu, uint32_t address, const uint8_t *data, size_t len,
		  kf_dfu_progress *progress, void *arg, struct kf_error *err)
{
	uint8_t got[KF_DFU_BLOCK_MAX];
	int r = begin_read(dfu, address, err);
	bool differs = false;

	for (size_t i = 0; r == 0 && i < blocks(dfu, len); i++) {
		size_t from = i * dfu->block_bytes, bytes = block_len(dfu, i, len);

		r = read_block(dfu, i, address, got, len, err);
		if (r < 0)
			break;
		r = kf_bytes_verify(address + (uint32_t)from, data + from, got, bytes, err);
		differs = r < 0;
		if (!differs && progress)
			progress(from + bytes, len, arg);
	}
	/* The chip is idle again for the next request, which may be to start its firmware. */
	if (differs)
		IGNORE_RESULT(kf_dfu_end(dfu, NULL));
	return r < 0 ? r : kf_dfu_end(dfu, err);
}
