/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A conversation with Katapult. An answer that fits nothing asked ends it. */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "katapult/pages.h"
#include "katapult/requests.h"

#define CONNECT_MS	 5000
#define CONNECT_FIRST_MS 100 /* then asked again, each time after twice as long */
#define CONNECT_USB_MS	 4   /* over USB, where whoever answers at all has done so by then */
#define CONNECT_FIXED	 16  /* command, protocol, start, block size; then the strings */

static int wrong_length(const struct kf_katapult_frame *frame, struct kf_error *err)
{
	return kf_fail(err, KF_PROTOCOL, "an ACK of %u bytes is not its answer",
		       frame->payload_bytes);
}

/* EOF's is the command and a count of pages, COMPLETE's the command alone. */
static int answer_plain(const struct kf_katapult_requests *q, size_t i,
			const struct kf_katapult_frame *frame, struct kf_error *err)
{
	(void)i;
	if (frame->payload_bytes != (q->command == KF_KATAPULT_EOF ? 8 : 4))
		return wrong_length(frame, err);
	return 0;
}

/* Command and address; bytes may follow. */
static int answer_address(const struct kf_katapult_requests *q, size_t i,
			  const struct kf_katapult_frame *frame, size_t bytes, struct kf_error *err)
{
	uint32_t address;

	if (frame->payload_bytes != 8 + bytes)
		return wrong_length(frame, err);
	address = kf_get_le32(frame->payload + 4);
	if (address != kf_katapult_block_address(q, i))
		return kf_fail(err, KF_PROTOCOL, "got the answer for 0x%08x", address);
	return 0;
}

static int answer_written(const struct kf_katapult_requests *q, size_t i,
			  const struct kf_katapult_frame *frame, struct kf_error *err)
{
	return answer_address(q, i, frame, 0, err);
}

static int answer_read(const struct kf_katapult_requests *q, size_t i,
		       const struct kf_katapult_frame *frame, struct kf_error *err)
{
	uint8_t want[KF_KATAPULT_BLOCK_MAX];
	const uint8_t *got = frame->payload + 8;
	int r;

	r = answer_address(q, i, frame, q->k->block_bytes, err);
	if (r < 0)
		return r;
	kf_katapult_block_fill(q, i, want);
	for (size_t at = 0; at < q->k->block_bytes; at++)
		if (got[at] != want[at])
			return kf_fail(err, KF_VERIFY_FAILED,
				       "address 0x%08zx: wrote 0x%02x, read back 0x%02x",
				       kf_katapult_block_address(q, i) + at, want[at], got[at]);
	return 0;
}

/* Strings of the answer to CONNECT, each ended by NULs or the payload's end; next after it. */
static const uint8_t *take_string(const uint8_t *p, const uint8_t *end, char *ret, size_t size)
{
	size_t len = strnlen((const char *)p, (size_t)(end - p));

	kf_text_clean(ret, size, (const char *)p, len);
	for (p += len; p < end && *p == 0; p++)
		;
	return p;
}

static int parse_connect(struct kf_katapult *k, const struct kf_katapult_frame *frame,
			 struct kf_error *err)
{
	const uint8_t *p = frame->payload, *end = p + frame->payload_bytes;
	uint32_t protocol, start, block_bytes;

	if (frame->payload_bytes <= CONNECT_FIXED || p[CONNECT_FIXED] == 0)
		return kf_fail(err, KF_PROTOCOL, "the answer names no MCU");
	protocol = kf_get_le32(p + 4);
	start = kf_get_le32(p + 8);
	block_bytes = kf_get_le32(p + 12);
	if (protocol >> 16 != 1)
		return kf_fail(err, KF_PROTOCOL, "protocol %u.%u.%u is not one that we know",
			       protocol >> 16, protocol >> 8 & 0xff, protocol & 0xff);
	if (block_bytes != 64 && block_bytes != 128 && block_bytes != 256 &&
	    block_bytes != KF_KATAPULT_BLOCK_MAX)
		return kf_fail(err, KF_PROTOCOL, "a block size of %u bytes is not allowed",
			       block_bytes);
	if (start % block_bytes != 0)
		return kf_fail(err, KF_PROTOCOL, "application start 0x%08x is inside of a block",
			       start);
	k->counts_pages = false;
	k->protocol = protocol;
	k->start = start;
	k->block_bytes = block_bytes;
	p = take_string(p + CONNECT_FIXED, end, k->mcu, sizeof(k->mcu));
	take_string(p, end, k->version, sizeof(k->version));
	return 0;
}

struct connect {
	bool answered; /* by anything at all */
	bool nacked;   /* it was sent something that is no frame: by us, or by others before */
};

/*
 * What comes until deadline_ms: 1 and CONNECT's acknowledgement, 0 (not yet), or an
 * error. Other frames answer an earlier conversation, or say busy: asking again serves both.
 */
static int await_connect(struct kf_katapult *k, struct connect *c, int64_t deadline_ms,
			 struct kf_katapult_frame *ret)
{
	int r;

	do {
		r = kf_katapult_receive(&k->link, deadline_ms, ret);
		if (r < 0)
			return r == -ETIMEDOUT ? 0 : r;
		if (kf_katapult_acked(ret) == KF_KATAPULT_CONNECT)
			return 1;
		c->answered = true;
		c->nacked = c->nacked || ret->command == KF_KATAPULT_NACK;
	} while (kf_now_ms() < deadline_ms);
	return 0;
}

static int no_connect(const struct kf_katapult *k, const struct connect *c, struct kf_error *err)
{
	if (c->nacked)
		return kf_fail(err, KF_PROTOCOL, "the bootloader takes no more commands (NACK)");
	if (c->answered || k->link.garbage > 0)
		return kf_fail(err, KF_PROTOCOL, "what answers is not Katapult");
	kf_katapult_port_failed(-ETIMEDOUT, err);
	kf_error_hint(err, "the bootloader may be stuck: power-cycle the board, then try again");
	return -ETIMEDOUT;
}

static int connect_asking(struct kf_katapult *k, struct kf_error *err)
{
	int64_t deadline_ms = kf_katapult_deadline(k, CONNECT_MS), again_ms;
	struct kf_katapult_frame frame;
	struct connect c = { 0 };
	int r;

	r = kf_katapult_link_open(&k->link, k->fd, err);
	if (r < 0)
		return r;
	for (int64_t wait_ms = k->usb_cdc ? CONNECT_USB_MS : CONNECT_FIRST_MS;; wait_ms *= 2) {
		again_ms = kf_katapult_deadline(k, wait_ms);
		if (again_ms > deadline_ms)
			again_ms = deadline_ms;
		r = kf_katapult_send(&k->link, KF_KATAPULT_CONNECT, NULL, 0, deadline_ms, err);
		if (r < 0)
			return r;
		k->link.connects++;
		r = await_connect(k, &c, again_ms, &frame);
		if (r < 0)
			return kf_katapult_port_failed(r, err);
		if (r > 0)
			return parse_connect(k, &frame, err);
		if (kf_now_ms() >= deadline_ms)
			return no_connect(k, &c, err);
	}
}

int kf_katapult_connect(struct kf_katapult *k, struct kf_error *err)
{
	int r = connect_asking(k, err);

	if (r < 0)
		kf_error_prefix(err, "%s", kf_katapult_command_name(KF_KATAPULT_CONNECT));
	return r;
}

/* The blocks of data, unless they do not fit between start and the end of the addresses. */
static int count_blocks(const struct kf_katapult *k, size_t len, size_t *ret, struct kf_error *err)
{
	size_t count = len / k->block_bytes + (len % k->block_bytes != 0);

	if (count == 0 || count > (UINT32_MAX - k->start) / k->block_bytes)
		return kf_fail(err, KF_BAD_IMAGE, "%zu bytes cannot be flashed from 0x%08x on", len,
			       k->start);
	*ret = count;
	return 0;
}

static int run_plain(struct kf_katapult *k, uint8_t command, struct kf_error *err)
{
	struct kf_katapult_requests q = {
		.k = k, .command = command, .count = 1, .answer = answer_plain
	};

	return kf_katapult_ask(&q, err);
}

int kf_katapult_finish(struct kf_katapult *k, struct kf_error *err)
{
	int r = run_plain(k, KF_KATAPULT_EOF, err);

	k->counts_pages = k->counts_pages || r == 0;
	return r;
}

/* q->count is all blocks: add what it takes to have the first page go last, if there are others. */
static void order_pages(struct kf_katapult_requests *q)
{
	const struct kf_katapult *k = q->k;
	struct kf_katapult_pages pages = kf_katapult_pages_find(k->mcu, k->start);
	size_t unit = pages.unit_bytes / k->block_bytes, first = pages.first_bytes / k->block_bytes;

	q->order.unit = unit > 1 ? unit : 0;
	if (!k->counts_pages || first == 0 || q->count <= first)
		return;
	unit = unit > 1 ? unit : 1;
	q->order.first = first;
	q->order.blocks = (q->count + unit - 1) / unit * unit;
	q->count = unit + q->order.blocks;
}

int kf_katapult_write(struct kf_katapult *k, const uint8_t *data, size_t len,
		      kf_katapult_progress *progress, void *arg, struct kf_error *err)
{
	struct kf_katapult_requests q = {
		.k = k, .data = data, .len = len, .progress = progress, .arg = arg
	};
	int r;

	q.command = KF_KATAPULT_SEND_BLOCK;
	q.answer = answer_written;
	r = count_blocks(k, len, &q.count, err);
	if (r < 0)
		return r;
	order_pages(&q);
	r = kf_katapult_ask(&q, err);
	return r < 0 ? r : kf_katapult_finish(k, err);
}

int kf_katapult_verify(struct kf_katapult *k, const uint8_t *data, size_t len,
		       kf_katapult_progress *progress, void *arg, struct kf_error *err)
{
	struct kf_katapult_requests q = {
		.k = k, .data = data, .len = len, .progress = progress, .arg = arg
	};
	int r;

	q.command = KF_KATAPULT_REQUEST_BLOCK;
	q.answer = answer_read;
	r = count_blocks(k, len, &q.count, err);
	return r < 0 ? r : kf_katapult_ask(&q, err);
}

static int answer_first_word(const struct kf_katapult_requests *q, size_t i,
			     const struct kf_katapult_frame *frame, struct kf_error *err)
{
	int r = answer_address(q, i, frame, q->k->block_bytes, err);
	uint32_t word = r < 0 ? 0 : kf_get_le32(frame->payload + 8);

	if (r == 0)
		*(bool *)q->arg = word != 0 && word != UINT32_MAX;
	return r;
}

int kf_katapult_has_application(struct kf_katapult *k, bool *ret, struct kf_error *err)
{
	static const uint8_t unused[1];
	struct kf_katapult_requests q = { .k = k,
					  .command = KF_KATAPULT_REQUEST_BLOCK,
					  .count = 1,
					  .answer = answer_first_word,
					  .data = unused,
					  .len = sizeof(unused),
					  .arg = ret };

	return kf_katapult_ask(&q, err);
}

int kf_katapult_complete(struct kf_katapult *k, struct kf_error *err)
{
	struct kf_error failed;
	int r = run_plain(k, KF_KATAPULT_COMPLETE, &failed);

	/* Gone while the answer was awaited: that is what was asked for. */
	if (r == -ENODEV && !k->link.broken)
		return 0;
	if (r < 0 && err)
		*err = failed;
	return r;
}
