/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Requests are answered in order, at most a window of them unanswered.
 *
 * Why a window is safe over USB (cdc_acm: a write(2) is a transfer, a packet that the board has
 * no room for waits at the host): requests cannot be lost, so only the board's 192 bytes for
 * answers count; one that does not fit is dropped. Eight acknowledgements of 16 bytes are 128.
 * Answers with a block are 16 bytes longer than it: two of 80 are 160, larger ones go alone.
 * The first request goes alone, so that no older answer takes room beside these.
 *
 * What the host shows is what ends with a packet of less than 64 bytes, or 128 bytes: four
 * acknowledgements in one packet, when nothing follows them, never arrive. In the middle more
 * requests always follow, as the window is larger than four; at the end, EOF makes them arrive.
 *
 * A UART has no flow control: what comes while the flash is busy is lost, and wedges it. One.
 */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "katapult/requests.h"

#define ANSWER_MS    5000 /* a block's ack waits for its page's erase: 128 KiB on the H7 */
#define BUSY_MS	     50
#define QUIET_MS     20
#define STOP_MS	     500 /* what a board may take to answer after a stop signal */
#define TX_BYTES     192 /* the board's room for answers */
#define PACKET_BYTES 64
#define ACK_BYTES    16 /* of a block; with its data, so many more */
#define WRITE_WINDOW 8

_Static_assert(WRITE_WINDOW *ACK_BYTES <= TX_BYTES, "acknowledgements would be dropped");
_Static_assert(WRITE_WINDOW *ACK_BYTES > PACKET_BYTES, "it would wait for a packet that waits");

/* What is in flight: the requests from done on, up to sent. */
struct flight {
	size_t sent, done, window;
	size_t nudges; /* EOFs sent early */
	int64_t deadline_ms;
};

size_t kf_katapult_window(const struct kf_katapult *k, uint8_t command)
{
	size_t fit;

	if (!k->usb_cdc)
		return 1;
	if (command == KF_KATAPULT_SEND_BLOCK)
		return WRITE_WINDOW;
	fit = TX_BYTES / (ACK_BYTES + k->block_bytes);
	return command == KF_KATAPULT_REQUEST_BLOCK && fit > 1 ? fit : 1;
}

int64_t kf_katapult_deadline(const struct kf_katapult *k, int64_t ms)
{
	int64_t own = kf_now_ms() + ms;

	return own < k->deadline_ms ? own : k->deadline_ms;
}

/* Busy: let it be for a moment, unless it leaves or we are to stop. */
static int wait_while_busy(struct kf_katapult *k, int64_t deadline_ms, struct kf_error *err)
{
	struct pollfd pfd = { .fd = k->fd };
	int r;

	if (kf_now_ms() + BUSY_MS >= deadline_ms) {
		kf_fail(err, KF_BUSY, "the bootloader stays busy");
		kf_error_hint(err, "power-cycle the board, then try again");
		return -EBUSY;
	}
	r = kf_wait(&pfd, 1, kf_katapult_deadline(k, BUSY_MS));
	return r == 0 ? 0 : kf_katapult_port_failed(r < 0 ? r : -ENODEV, err);
}

/* The requests before the image's first: those that strike out what is there. */
static size_t strikes(const struct kf_katapult_requests *q)
{
	return q->order.first == 0 ? 0 : q->order.unit == 0 ? 1 : q->order.unit;
}

static size_t block_of(const struct kf_katapult_requests *q, size_t i)
{
	size_t before = strikes(q), others = q->order.blocks - q->order.first;

	if (i < before || q->order.first == 0)
		return i;
	i -= before;
	return i < others ? q->order.first + i : i - others;
}

uint32_t kf_katapult_block_address(const struct kf_katapult_requests *q, size_t i)
{
	return q->k->start + (uint32_t)(block_of(q, i) * q->k->block_bytes);
}

/*
 * 0, not 0xffffffff: the same word is never programmed twice without an erase between, and an
 * application of either is none (Katapult src/generic/armcm_canboot.c, application_check_valid).
 */
void kf_katapult_block_fill(const struct kf_katapult_requests *q, size_t i,
			    uint8_t ret[KF_KATAPULT_BLOCK_MAX])
{
	size_t at = block_of(q, i) * q->k->block_bytes, left = at < q->len ? q->len - at : 0;

	memset(ret, 0xff, KF_KATAPULT_BLOCK_MAX);
	if (i >= strikes(q))
		memcpy(ret, q->data + at, left < q->k->block_bytes ? left : q->k->block_bytes);
	else if (i == 0)
		kf_put_le32(ret, 0);
}

/* The bytes of the image that are there once request i is answered. */
static size_t bytes_done(const struct kf_katapult_requests *q, size_t i)
{
	size_t before = strikes(q), bytes = i < before ? 0 : (i + 1 - before) * q->k->block_bytes;

	return bytes < q->len ? bytes : q->len;
}

static int send_request(const struct kf_katapult_requests *q, size_t i, int64_t deadline_ms,
			struct kf_error *err)
{
	uint8_t payload[4 + KF_KATAPULT_BLOCK_MAX];
	size_t len = 0;

	if (q->data) {
		kf_put_le32(payload, kf_katapult_block_address(q, i));
		len = 4;
		if (q->command == KF_KATAPULT_SEND_BLOCK) {
			kf_katapult_block_fill(q, i, payload + 4);
			len += q->k->block_bytes;
		}
	}
	return kf_katapult_send(&q->k->link, q->command, payload, len, deadline_ms, err);
}

static int send_more(const struct kf_katapult_requests *q, struct flight *f, struct kf_error *err)
{
	size_t window = f->done == 0 ? 1 : f->window;
	int r = 0;

	while (r == 0 && f->sent < q->count && f->sent - f->done < window) {
		r = send_request(q, f->sent, f->deadline_ms, err);
		f->sent += r == 0;
	}
	return r;
}

/* Four acknowledgements that nothing will follow may fill one packet. */
static bool may_be_held(const struct kf_katapult_requests *q, const struct flight *f)
{
	return q->command == KF_KATAPULT_SEND_BLOCK && f->window > 1 && f->sent == q->count &&
	       (f->sent - f->done + f->nudges) * ACK_BYTES == PACKET_BYTES;
}

/* As kf_katapult_wait_ack. An early EOF is answered after the blocks, and what is repeated drops.
 */
static int await_answer(const struct kf_katapult_requests *q, struct flight *f,
			struct kf_katapult_frame *ret, struct kf_error *err)
{
	struct kf_katapult_link *link = &q->k->link;
	int64_t quiet_ms = kf_now_ms() + QUIET_MS;
	int r;

	if (may_be_held(q, f) && quiet_ms < f->deadline_ms) {
		r = kf_katapult_wait_ack(link, q->command, quiet_ms, ret, err);
		if (r != -ETIMEDOUT)
			return r;
		r = kf_katapult_send(link, KF_KATAPULT_EOF, NULL, 0, f->deadline_ms, err);
		if (r < 0)
			return r;
		f->nudges++;
	}
	return kf_katapult_wait_ack(link, q->command, f->deadline_ms, ret, err);
}

/* How many answers are missing before this one: it is to a later request that is in flight. */
static size_t count_missing(const struct kf_katapult_requests *q, const struct flight *f,
			    const struct kf_katapult_frame *frame)
{
	uint32_t address;

	if (!q->data || frame->payload_bytes < 8)
		return 0;
	address = kf_get_le32(frame->payload + 4);
	if (kf_katapult_block_address(q, f->done) == address)
		return 0;
	for (size_t i = f->done + 1; i < f->sent; i++)
		if (kf_katapult_block_address(q, i) == address)
			return i - f->done;
	return 0;
}

/* Take so many answers, whatever they say: then nothing is in flight. */
static int settle(const struct kf_katapult_requests *q, size_t count, int64_t ms,
		  struct kf_error *err)
{
	struct kf_katapult_frame frame;
	int r = 0;

	for (; r >= 0 && count > 0; count--)
		r = kf_katapult_wait_ack(&q->k->link, q->command, kf_katapult_deadline(q->k, ms),
					 &frame, err);
	return r < 0 ? r : 0;
}

/*
 * The LPC176x refuses another address in the middle of a unit until its next reset: it gets the
 * rest of what it has begun.
 */
static int finish_unit(const struct kf_katapult_requests *q, struct flight *f, int64_t ms,
		       struct kf_error *err)
{
	int64_t deadline_ms = kf_katapult_deadline(q->k, ms);
	int r = 0;

	while (r == 0 && q->order.unit && f->sent % q->order.unit && f->sent < q->count) {
		r = send_request(q, f->sent, deadline_ms, err);
		f->sent += r == 0;
	}
	return r;
}

/*
 * From the beginning, one by one: a block that was refused may be the first of a page, whose
 * erase takes what was written after it, and on the RP2040 what was collected before it.
 */
static int start_over(const struct kf_katapult_requests *q, struct flight *f, size_t in_flight,
		      struct kf_error *err)
{
	size_t sent = f->sent;
	int r = finish_unit(q, f, ANSWER_MS, err);

	if (r == 0)
		r = settle(q, in_flight + f->sent - sent, ANSWER_MS, err);
	*f = (struct flight){ .window = 1, .deadline_ms = kf_katapult_deadline(q->k, ANSWER_MS) };
	/* The first block's answer may be the last that was taken: it is no repetition now. */
	memset(q->k->link.last, 0, sizeof(q->k->link.last));
	return r;
}

/* Busy alone takes back one request; one deadline stands until it is answered. */
static int take_busy(const struct kf_katapult_requests *q, struct flight *f, struct kf_error *err)
{
	size_t others = f->sent - f->done - 1;
	int r;

	if (others > 0) {
		r = start_over(q, f, others, err);
		if (r < 0)
			return r;
	}
	f->sent = f->done;
	return wait_while_busy(q->k, f->deadline_ms, err);
}

/* Nobody waits for the answers behind one that ends it; but what is asked next would meet them. */
static int take_wrong(const struct kf_katapult_requests *q, struct flight *f, int r,
		      struct kf_error *err)
{
	struct kf_error failed;
	int settled;

	if (r != kf_code_errno(KF_VERIFY_FAILED))
		return r;
	settled = settle(q, f->sent - f->done - 1, ANSWER_MS, &failed);
	if (settled < 0 && err)
		*err = failed;
	return settled < 0 ? settled : r;
}

static void take_answer(const struct kf_katapult_requests *q, struct flight *f)
{
	size_t i = f->done++;

	f->deadline_ms = kf_katapult_deadline(q->k, ANSWER_MS);
	if (q->progress)
		q->progress(bytes_done(q, i), q->len, q->arg);
}

/* Up to the next answer, and what it means. */
static int advance(const struct kf_katapult_requests *q, struct flight *f, struct kf_error *err)
{
	struct kf_katapult_frame frame;
	size_t missing;
	int r;

	r = send_more(q, f, err);
	if (r == 0)
		r = await_answer(q, f, &frame, err);
	if (r > 0)
		return take_busy(q, f, err);
	if (r < 0)
		return r;
	missing = count_missing(q, f, &frame);
	if (missing > 0)
		return start_over(q, f, f->sent - f->done - missing - 1, err);
	r = q->answer(q, f->done, &frame, err);
	if (r < 0)
		return take_wrong(q, f, r, err);
	take_answer(q, f);
	return 0;
}

/* Stopped. What is on its way is let through: to close a port may cut it. */
static void end_between(const struct kf_katapult_requests *q, struct flight *f)
{
	kf_stop_defer(true);
	if (finish_unit(q, f, STOP_MS, NULL) == 0)
		IGNORE_RESULT(settle(q, f->sent - f->done, STOP_MS, NULL));
	kf_stop_defer(false);
}

int kf_katapult_ask(const struct kf_katapult_requests *q, struct kf_error *err)
{
	struct flight f = { .window = kf_katapult_window(q->k, q->command),
			    .deadline_ms = kf_katapult_deadline(q->k, ANSWER_MS) };
	int r = 0;

	while (r == 0 && f.done < q->count)
		r = advance(q, &f, err);
	if (r == -EINTR)
		end_between(q, &f);
	if (r < 0 && q->data)
		kf_error_prefix(err, "block 0x%08x", kf_katapult_block_address(q, f.done));
	else if (r < 0)
		kf_error_prefix(err, "%s", kf_katapult_command_name(q->command));
	return r;
}
