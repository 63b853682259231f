/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "dfu/requests.h"

enum request { DNLOAD = 1, UPLOAD, GETSTATUS, CLRSTATUS, GETSTATE, ABORT };

enum state {
	IDLE = 2,
	DNLOAD_SYNC,
	DNBUSY,
	DNLOAD_IDLE,
	MANIFEST_SYNC,
	MANIFEST,
	MANIFEST_WAIT_RESET,
	UPLOAD_IDLE,
	ERROR,
};

enum {
	CLASS_OUT = 0x21, /* to the interface, of its class */
	SET_ADDRESS = 0x21,
	ERASE = 0x41,
	FIRST_BLOCK = 2, /* 0 carries commands, 1 is reserved */
	/* Some ROMs answer up to 5 s late: they erase before they answer (fwupd's DFU quirks). */
	ANSWER_MS = 10000,
	LEAVE_MS = 1000,
	/* Steps to idle: end an error, then cut off an upload; then look, and one to spare */
	STEPS_MAX = 4,
	PROTECTED = 0x0b, /* errVENDOR */
};

struct status {
	uint8_t status, state;
	uint32_t poll_ms;
};

static const char *const status_texts[] = {
	"no error",
	"errTARGET: this chip does not take the file",
	"errFILE: the file is not for this device",
	"errWRITE: it cannot write its memory",
	"errERASE: it cannot erase its memory",
	"errCHECK_ERASED: its memory is not erased",
	"errPROG: a byte cannot be programmed",
	"errVERIFY: its memory is not what was written",
	"errADDRESS: the address is out of its memory",
	"errNOTDONE: the end came too early",
	"errFIRMWARE: its firmware is damaged",
	"errVENDOR: its flash is protected",
	"errUSBR: a USB reset came",
	"errPOR: it lost power",
	"errUNKNOWN: it does not know why",
	"errSTALLEDPKT: it refuses this request in its state",
};

const char *kf_dfu_status_text(uint8_t status)
{
	return status < KF_ARRAY_SIZE(status_texts) ? status_texts[status]
						    : "a status that DFU does not have";
}

static bool is_answered(enum request request)
{
	return request == UPLOAD || request == GETSTATUS || request == GETSTATE;
}

static ssize_t control(struct kf_dfu *dfu, enum request request, uint16_t value, void *data,
		       size_t len, int64_t within_ms)
{
	const struct kf_usb_request r = {
		.type = CLASS_OUT | (is_answered(request) ? KF_USB_IN : 0),
		.request = (uint8_t)request,
		.value = value,
		.index = dfu->interface,
	};

	return kf_usb_control(dfu->usb, &r, data, (uint16_t)len,
			      kf_within_ms(within_ms, dfu->deadline_ms));
}

static int get_status(struct kf_dfu *dfu, struct status *ret, int64_t within_ms)
{
	uint8_t answer[6];
	ssize_t got = control(dfu, GETSTATUS, 0, answer, sizeof(answer), within_ms);

	if (got != sizeof(answer))
		return got < 0 ? (int)got : -EPROTO;
	ret->status = answer[0];
	ret->poll_ms = answer[1] | (uint32_t)answer[2] << 8 | (uint32_t)answer[3] << 16;
	ret->state = answer[4];
	return 0;
}

static int reported(const struct status *s, struct kf_error *err)
{
	if (s->status != PROTECTED) {
		kf_fail(err, KF_FLASH_FAILED, "the bootloader reports %s",
			kf_dfu_status_text(s->status));
		return kf_error_hint(
			err, "run the same command again; if it fails again, power-cycle the "
			     "board before");
	}
	kf_fail(err, KF_PERMISSION,
		"the chip's flash is read-protected (errVENDOR): its "
		"bootloader neither reads nor writes it");
	return kf_error_hint(
		err, "nothing was written: only removing the protection helps, and that "
		     "erases the whole chip, with any bootloader in it; kf-flash never does "
		     "that, dfu-util's :unprotect:force and an ST-Link do");
}

/* The words for a transfer that failed. After a stall the status says why. */
static int failed(struct kf_dfu *dfu, int r, struct kf_error *err)
{
	struct status s;

	if (r == -EPIPE && get_status(dfu, &s, ANSWER_MS) == 0 && s.state == ERROR)
		return reported(&s, err);
	return kf_usb_failed(dfu->usb, r, err);
}

/* Ask until it is no longer busy; *ret is the status then, perhaps of an error. */
static int settle(struct kf_dfu *dfu, struct status *ret)
{
	int r = get_status(dfu, ret, ANSWER_MS);

	while (r == 0 && (ret->state == DNBUSY || ret->state == DNLOAD_SYNC)) {
		/* The bootloader may not be asked again before this time has passed. */
		r = kf_pause(ret->poll_ms, dfu->deadline_ms);
		if (r == 0)
			r = get_status(dfu, ret, ANSWER_MS);
	}
	return r;
}

void kf_dfu_cancel_start(struct kf_dfu *dfu)
{
	uint8_t state;

	if (control(dfu, GETSTATE, 0, &state, sizeof(state), ANSWER_MS) == sizeof(state) &&
	    state == MANIFEST_SYNC)
		IGNORE_RESULT(control(dfu, ABORT, 0, NULL, 0, ANSWER_MS));
}

int kf_dfu_idle(struct kf_dfu *dfu, struct kf_error *err)
{
	struct status s = { 0 };
	ssize_t r = 0;

	for (int i = 0; r >= 0 && i < STEPS_MAX; i++) {
		r = settle(dfu, &s);
		if (r == 0 && s.state == IDLE)
			return 0;
		if (r == 0)
			r = control(dfu, s.state == ERROR ? CLRSTATUS : ABORT, 0, NULL, 0,
				    ANSWER_MS);
	}
	if (r < 0)
		return failed(dfu, (int)r, err);
	return kf_fail(err, KF_PROTOCOL, "the bootloader stays in state %u and takes no command",
		       s.state);
}

int kf_dfu_end(struct kf_dfu *dfu, struct kf_error *err)
{
	ssize_t r = control(dfu, ABORT, 0, NULL, 0, ANSWER_MS);

	/* A bootloader in an error refuses ABORT, and kf_dfu_idle ends the error. */
	return r < 0 && r != -EPIPE ? failed(dfu, (int)r, err) : kf_dfu_idle(dfu, err);
}

static int download(struct kf_dfu *dfu, uint16_t block, const uint8_t *data, size_t len,
		    struct kf_error *err)
{
	struct status s;
	ssize_t put = control(dfu, DNLOAD, block, (void *)data, len, ANSWER_MS);
	int r = put < 0 ? (int)put : settle(dfu, &s);

	if (r < 0)
		return failed(dfu, r, err);
	if (s.state == ERROR || s.status)
		return reported(&s, err);
	if (s.state != DNLOAD_IDLE || (size_t)put != len)
		return kf_fail(err, KF_PROTOCOL, "the bootloader did not take %zu bytes (state %u)",
			       len, s.state);
	return 0;
}

static int command(struct kf_dfu *dfu, uint8_t id, uint32_t address, struct kf_error *err)
{
	uint8_t bytes[5] = { id };

	kf_put_le32(bytes + 1, address);
	return download(dfu, 0, bytes, sizeof(bytes), err);
}

int kf_dfu_erase_sector(struct kf_dfu *dfu, uint32_t address, struct kf_error *err)
{
	int r = command(dfu, ERASE, address, err);

	if (r < 0)
		kf_error_prefix(err, "erasing the sector at 0x%08x", address);
	return r;
}

int kf_dfu_set_address(struct kf_dfu *dfu, uint32_t address, struct kf_error *err)
{
	int r = command(dfu, SET_ADDRESS, address, err);

	if (r < 0)
		kf_error_prefix(err, "setting the address to 0x%08x", address);
	return r;
}

int kf_dfu_write_block(struct kf_dfu *dfu, size_t i, const uint8_t *data, size_t len,
		       struct kf_error *err)
{
	return download(dfu, (uint16_t)(i + FIRST_BLOCK), data, len, err);
}

int kf_dfu_read_block(struct kf_dfu *dfu, size_t i, uint8_t *ret, size_t len, struct kf_error *err)
{
	ssize_t got = control(dfu, UPLOAD, (uint16_t)(i + FIRST_BLOCK), ret, len, ANSWER_MS);

	if (got < 0)
		return failed(dfu, (int)got, err);
	if ((size_t)got != len)
		return kf_fail(err, KF_PROTOCOL, "the bootloader sent %zd bytes instead of %zu",
			       got, len);
	return 0;
}

/*
 * An empty block starts the program, once the status is asked for. From then on a stall, silence
 * and a disconnect all mean that the board has left.
 */
int kf_dfu_start(struct kf_dfu *dfu, uint32_t address, struct kf_error *err)
{
	int r = kf_dfu_set_address(dfu, address, err);
	struct status s;
	ssize_t put;

	if (r < 0)
		return r;
	put = control(dfu, DNLOAD, FIRST_BLOCK, NULL, 0, ANSWER_MS);
	if (put == -ENODEV)
		return 0;
	if (put < 0)
		return failed(dfu, (int)put, err);
	r = get_status(dfu, &s, LEAVE_MS);
	if (r == -EINTR)
		return failed(dfu, r, err);
	return r == 0 && s.state == ERROR ? reported(&s, err) : 0;
}
