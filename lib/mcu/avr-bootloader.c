/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "link/baud.h"
#include "mcu/avr-bootloader.h"

enum {
	BAUD = 115200,
	/* A chip's oscillator takes 65 ms to start after a reset (its fuses as Arduino sets them),
	 * and what comes before that is lost. */
	ANSWER_MS = 100,
	TRIES = 3,
};

/* STK500 version 2: CMD_LEAVE_PROGMODE_ISP as message 1. Other bootloaders start the firmware when
 * they receive what they do not know. */
static const uint8_t leave[] = { 0x1b, 0x01, 0x00, 0x01, 0x0e, 0x11, 0x04 };

/* The answer to that begins so. Bytes of the firmware that ran before the reset may come first. */
static const uint8_t answer[] = { 0x1b, 0x01 };

/* 0: it has answered; -ETIMEDOUT, or as kf_link_receive. */
static int await_answer(struct kf_link *link, int64_t deadline_ms)
{
	uint8_t in[256];
	size_t len = 0;
	ssize_t got;

	do {
		got = kf_link_receive(link, in + len, sizeof(in) - len, deadline_ms);
		if (got < 0)
			return (int)got;
		len += (size_t)got;
		if (memmem(in, len, answer, sizeof(answer)))
			return 0;
	} while (len + 8 <= sizeof(in));
	return -ETIMEDOUT;
}

/* The port is not drained: that would never end if the board takes no bytes. */
static int set_baud(struct kf_link *link, unsigned baud, struct kf_error *err)
{
	int r = kf_baud_set(link->fd, baud);

	if (r < 0 && r != -ENOTTY)
		return kf_fail_sys(err, -r, "%s: %u baud cannot be set", link->name, baud);
	link->baud = baud;
	return 0;
}

int kf_avr_bootloader_leave(struct kf_link *link, int64_t deadline_ms, struct kf_error *err)
{
	unsigned baud = link->baud;
	int answered = -ETIMEDOUT, r = set_baud(link, BAUD, err);

	if (r < 0)
		return r;
	for (int i = 0; i < TRIES && answered == -ETIMEDOUT; i++) {
		answered = kf_link_send(link, leave, sizeof(leave), deadline_ms);
		if (answered == 0)
			answered = await_answer(link, kf_within_ms(ANSWER_MS, deadline_ms));
	}
	if (answered < 0 && answered != -ETIMEDOUT)
		return kf_link_failed(link, answered, err);
	return set_baud(link, baud, err);
}
