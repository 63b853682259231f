/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Requests and their answers. An answer that fits nothing asked ends the conversation. Requests are
 * answered in order, at most a window of them unanswered.
 *
 * Why a window is safe where the link holds requests back (USB's cdc_acm: a write(2) is a transfer,
 * a packet that the board has no room for waits at the host): requests cannot be lost, so only the
 * board's 192 bytes for answers count; one that does not fit is dropped. Eight acknowledgements of
 * 16 bytes are 128. Answers with a block are 16 bytes longer than it: two of 80 are 160, larger
 * ones go alone. The first request goes alone, so that no older answer takes room beside these.
 *
 * The host shows bytes only after a packet of less than 64 bytes, or after 128 bytes: four
 * acknowledgements in one packet, when nothing follows them, never arrive. In the middle more
 * requests always follow, as the window is larger than four; at the end, EOF makes them arrive.
 *
 * UART and CAN have no flow control: what comes while the flash is busy is lost, and wedges the
 * board. One request. On CAN, the next request to read may go when 64 of an answer's 80 bytes are
 * in: what is left and the next answer fit into the 96 bytes that these builds have for answers.
 */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "katapult/pages.h"
#include "katapult/session.h"

#define BLOCK_MAX      512
#define CONNECT_MS     5000
#define CONNECT_FIXED  16   /* command, protocol, start, block size; then the strings */
#define ANSWER_MS      5000 /* a block's ack waits for its page's erase: 128 KiB on the H7 */
#define BUSY_MS	       50
#define QUIET_MS       20
#define STOP_MS	       500 /* what a board may take to answer after a stop signal */
#define TX_BYTES       192 /* the board's room for answers over USB */
#define TX_SMALL_BYTES 96  /* and over CAN: src/generic/canserial.c, transmit_buf */
#define ACK_BYTES      16  /* of a block; with its data, so many more */
#define WRITE_WINDOW   8

_Static_assert(WRITE_WINDOW *ACK_BYTES <= TX_BYTES, "acknowledgements would be dropped");
_Static_assert(WRITE_WINDOW *ACK_BYTES > 64, "it would wait for a packet that waits");

/*
 * In which order blocks are sent. With first 0: as they lie. Else the image spans several pages,
 * and a power loss is to end in the bootloader: a unit that strikes out the application's first
 * word, then all pages but the first, then that one.
 */
struct order {
	size_t blocks; /* of the image, up to a whole unit */
	size_t first;  /* blocks in the first page */
	size_t unit;   /* after so many blocks another address may follow; 0: after each */
};

struct requests {
	struct kf_katapult *k;
	uint8_t command;
	size_t count;
	/* Is this the answer to request i? Else an error that says why. */
	int (*answer)(const struct requests *q, size_t i, const struct kf_katapult_frame *frame,
		      struct kf_error *err);
	/* SEND_BLOCK and REQUEST_BLOCK */
	const uint8_t *data;
	size_t len;
	struct order order;
	kf_katapult_progress *progress;
	void *arg;
	bool settles; /* after a wrong answer the others are received: something is asked next */
};

/* The requests from done on, up to sent, are in flight. */
struct flight {
	size_t sent, done, window;
	size_t nudges; /* EOFs sent early */
	int64_t deadline_ms;
};

size_t kf_katapult_window(const struct kf_katapult *k, uint8_t command)
{
	size_t fit;

	if (!k->link->flow.holds_requests)
		return 1;
	if (command == KF_KATAPULT_SEND_BLOCK)
		return WRITE_WINDOW;
	fit = TX_BYTES / (ACK_BYTES + k->block_bytes);
	return command == KF_KATAPULT_REQUEST_BLOCK && fit > 1 ? fit : 1;
}

/* ms from now, but not after the end of the whole conversation. */
static int64_t within(const struct kf_katapult *k, int64_t ms)
{
	int64_t own = kf_now_ms() + ms;

	return own < k->deadline_ms ? own : k->deadline_ms;
}

/* Busy: let it be for a moment, unless it leaves or we are to stop. */
static int wait_while_busy(struct kf_katapult *k, int64_t deadline_ms, struct kf_error *err)
{
	struct pollfd pfd = { .fd = k->link->fd };
	int r;

	if (kf_now_ms() + BUSY_MS >= deadline_ms) {
		kf_fail(err, KF_BUSY, "the bootloader stays busy");
		kf_error_hint(err, "power-cycle the board, then try again");
		return -EBUSY;
	}
	r = kf_wait(&pfd, 1, within(k, BUSY_MS));
	return r == 0 ? 0 : kf_katapult_channel_failed(&k->channel, r < 0 ? r : -ENODEV, err);
}

/* The requests before the image's first: those that strike out what is there. */
static size_t strikes(const struct requests *q)
{
	return q->order.first == 0 ? 0 : q->order.unit == 0 ? 1 : q->order.unit;
}

static size_t block_of(const struct requests *q, size_t i)
{
	size_t before = strikes(q), others = q->order.blocks - q->order.first;

	if (i < before || q->order.first == 0)
		return i;
	i -= before;
	return i < others ? q->order.first + i : i - others;
}

static uint32_t block_address(const struct requests *q, size_t i)
{
	return q->k->start + (uint32_t)(block_of(q, i) * q->k->block_bytes);
}

/*
 * The bytes that request i writes or reads: block_bytes of the board's, padded. A struck word is
 * 0, not 0xffffffff: the same word is never programmed twice without an erase between, and an
 * application of either is none (Katapult src/generic/armcm_canboot.c, application_check_valid).
 */
static void fill_block(const struct requests *q, size_t i, uint8_t ret[BLOCK_MAX])
{
	size_t at = block_of(q, i) * q->k->block_bytes, left = at < q->len ? q->len - at : 0;

	memset(ret, 0xff, BLOCK_MAX);
	if (i >= strikes(q))
		memcpy(ret, q->data + at, left < q->k->block_bytes ? left : q->k->block_bytes);
	else if (i == 0)
		kf_put_le32(ret, 0);
}

/* The bytes of the image that are there once request i is answered. */
static size_t bytes_done(const struct requests *q, size_t i)
{
	size_t before = strikes(q), bytes = i < before ? 0 : (i + 1 - before) * q->k->block_bytes;

	return bytes < q->len ? bytes : q->len;
}

static int send_request(const struct requests *q, size_t i, int64_t deadline_ms,
			struct kf_error *err)
{
	uint8_t payload[4 + BLOCK_MAX];
	size_t len = 0;

	if (q->data) {
		kf_put_le32(payload, block_address(q, i));
		len = 4;
		if (q->command == KF_KATAPULT_SEND_BLOCK) {
			fill_block(q, i, payload + 4);
			len += q->k->block_bytes;
		}
	}
	return kf_katapult_channel_send(&q->k->channel, q->command, payload, len, deadline_ms, err);
}

static int send_more(const struct requests *q, struct flight *f, struct kf_error *err)
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
static bool may_be_held(const struct requests *q, const struct flight *f)
{
	unsigned packet_bytes = q->k->link->flow.packet_bytes;

	return q->command == KF_KATAPULT_SEND_BLOCK && f->window > 1 && f->sent == q->count &&
	       packet_bytes > 0 && (f->sent - f->done + f->nudges) * ACK_BYTES == packet_bytes;
}

/* How the answer to request i begins, if nothing is wrong. */
static void answer_head(const struct requests *q, size_t i, uint8_t ret[12])
{
	ret[0] = 0x01;
	ret[1] = 0x88;
	ret[2] = KF_KATAPULT_ACK;
	ret[3] = (uint8_t)((8 + q->k->block_bytes) / 4);
	kf_put_le32(ret + 4, q->command);
	kf_put_le32(ret + 8, block_address(q, i));
}

/*
 * Send the next request when the rest of the awaited answer and the next one fit into the board's
 * room together. The first answer is waited for to its end: an older one may come before it.
 */
static int send_ahead(const struct requests *q, struct flight *f, struct kf_error *err)
{
	size_t answer = ACK_BYTES + q->k->block_bytes;
	uint8_t head[12];
	int r;

	if (!q->k->link->flow.overlaps || q->command != KF_KATAPULT_REQUEST_BLOCK || f->done == 0 ||
	    f->sent - f->done != 1 || f->sent == q->count || answer > TX_SMALL_BYTES)
		return 0;
	answer_head(q, f->done, head);
	r = kf_katapult_channel_begun(&q->k->channel, head, sizeof(head),
				      2 * answer - TX_SMALL_BYTES, f->deadline_ms);
	if (r < 0)
		return kf_katapult_channel_failed(&q->k->channel, r, err);
	if (r > 0)
		r = send_request(q, f->sent, f->deadline_ms, err);
	else
		return 0;
	f->sent += r == 0;
	return r;
}

/* As channel_ack. An early EOF is answered after the blocks, and what is repeated drops. */
static int await_answer(const struct requests *q, struct flight *f, struct kf_katapult_frame *ret,
			struct kf_error *err)
{
	struct kf_katapult_channel *channel = &q->k->channel;
	int64_t quiet_ms = kf_now_ms() + QUIET_MS;
	int r = send_ahead(q, f, err);

	if (r < 0)
		return r;
	if (may_be_held(q, f) && quiet_ms < f->deadline_ms) {
		r = kf_katapult_channel_ack(channel, q->command, quiet_ms, ret, err);
		if (r != -ETIMEDOUT)
			return r;
		r = kf_katapult_channel_send(channel, KF_KATAPULT_EOF, NULL, 0, f->deadline_ms,
					     err);
		if (r < 0)
			return r;
		f->nudges++;
	}
	return kf_katapult_channel_ack(channel, q->command, f->deadline_ms, ret, err);
}

/* How many answers are missing before this one: it is to a later request that is in flight. */
static size_t count_missing(const struct requests *q, const struct flight *f,
			    const struct kf_katapult_frame *frame)
{
	uint32_t address;

	if (!q->data || frame->payload_bytes < 8)
		return 0;
	address = kf_get_le32(frame->payload + 4);
	if (block_address(q, f->done) == address)
		return 0;
	for (size_t i = f->done + 1; i < f->sent; i++)
		if (block_address(q, i) == address)
			return i - f->done;
	return 0;
}

/* Take so many answers, whatever they say: then nothing is in flight. */
static int receive_rest(const struct requests *q, size_t count, int64_t ms, struct kf_error *err)
{
	struct kf_katapult_frame frame;
	int r = 0;

	for (; r >= 0 && count > 0; count--)
		r = kf_katapult_channel_ack(&q->k->channel, q->command, within(q->k, ms), &frame,
					    err);
	return r < 0 ? r : 0;
}

/*
 * The LPC176x refuses another address in the middle of a unit until its next reset: it gets the
 * rest of what it has begun.
 */
static int finish_unit(const struct requests *q, struct flight *f, int64_t ms, struct kf_error *err)
{
	int64_t deadline_ms = within(q->k, ms);
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
static int start_over(const struct requests *q, struct flight *f, size_t in_flight,
		      struct kf_error *err)
{
	size_t sent = f->sent;
	int r = finish_unit(q, f, ANSWER_MS, err);

	if (r == 0)
		r = receive_rest(q, in_flight + f->sent - sent, ANSWER_MS, err);
	*f = (struct flight){ .window = 1, .deadline_ms = within(q->k, ANSWER_MS) };
	/* The first block's answer may be the last that was taken: it is no repetition now. */
	memset(q->k->channel.last, 0, sizeof(q->k->channel.last));
	return r;
}

/* Busy alone takes back one request; one deadline stands until it is answered. */
static int handle_busy(const struct requests *q, struct flight *f, struct kf_error *err)
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
static int handle_wrong(const struct requests *q, struct flight *f, int r, struct kf_error *err)
{
	struct kf_error failed;
	int settled;

	if (r != kf_code_errno(KF_VERIFY_FAILED))
		return r;
	settled = receive_rest(q, f->sent - f->done - 1, ANSWER_MS, &failed);
	if (settled < 0 && err)
		*err = failed;
	return settled < 0 ? settled : r;
}

static void count_answer(const struct requests *q, struct flight *f)
{
	size_t i = f->done++;

	f->deadline_ms = within(q->k, ANSWER_MS);
	if (q->progress)
		q->progress(bytes_done(q, i), q->len, q->arg);
}

/* Send what fits into the window, then receive one answer and act on it. */
static int advance(const struct requests *q, struct flight *f, struct kf_error *err)
{
	struct kf_katapult_frame frame;
	size_t missing;
	int r;

	r = send_more(q, f, err);
	if (r == 0)
		r = await_answer(q, f, &frame, err);
	if (r > 0)
		return handle_busy(q, f, err);
	if (r < 0)
		return r;
	missing = count_missing(q, f, &frame);
	if (missing > 0)
		return start_over(q, f, f->sent - f->done - missing - 1, err);
	r = q->answer(q, f->done, &frame, err);
	if (r < 0)
		return handle_wrong(q, f, r, err);
	count_answer(q, f);
	return 0;
}

/* Stopped. What is on its way is let through: to close a port may cut it. */
static void end_between(const struct requests *q, struct flight *f)
{
	kf_stop_defer(true);
	if (finish_unit(q, f, STOP_MS, NULL) == 0)
		IGNORE_RESULT(receive_rest(q, f->sent - f->done, STOP_MS, NULL));
	kf_stop_defer(false);
}

/*
 * Ask all, in order. Where several are in flight and an answer is missing or says busy, all
 * starts over with one in flight. Whatever is answered with KF_VERIFY_FAILED, nothing is in flight
 * afterwards. A stop signal ends it (-EINTR) where the board can take another conversation: behind
 * a whole unit, and what is in flight is waited for, but not for long.
 */
static int request_all(const struct requests *q, struct kf_error *err)
{
	struct flight f = { .window = kf_katapult_window(q->k, q->command),
			    .deadline_ms = within(q->k, ANSWER_MS) };
	int r = 0;

	while (r == 0 && f.done < q->count)
		r = advance(q, &f, err);
	if (r == -EINTR)
		end_between(q, &f);
	else if (r == -EPROTO && q->settles && f.sent > f.done)
		IGNORE_RESULT(receive_rest(q, f.sent - f.done - 1, STOP_MS, NULL));
	if (r < 0 && q->data)
		kf_error_prefix(err, "block 0x%08x", block_address(q, f.done));
	else if (r < 0)
		kf_error_prefix(err, "%s", kf_katapult_command_name(q->command));
	return r;
}

static int wrong_length(const struct kf_katapult_frame *frame, struct kf_error *err)
{
	return kf_fail(err, KF_PROTOCOL, "an ACK of %u bytes does not fit this command",
		       frame->payload_bytes);
}

/* EOF's is the command and a count of pages, COMPLETE's the command alone. */
static int answer_plain(const struct requests *q, size_t i, const struct kf_katapult_frame *frame,
			struct kf_error *err)
{
	(void)i;
	if (frame->payload_bytes != (q->command == KF_KATAPULT_EOF ? 8 : 4))
		return wrong_length(frame, err);
	return 0;
}

/* Command and address; bytes may follow. */
static int answer_address(const struct requests *q, size_t i, const struct kf_katapult_frame *frame,
			  size_t bytes, struct kf_error *err)
{
	uint32_t address;

	if (frame->payload_bytes != 8 + bytes)
		return wrong_length(frame, err);
	address = kf_get_le32(frame->payload + 4);
	if (address != block_address(q, i))
		return kf_fail(err, KF_PROTOCOL, "got the answer of address 0x%08x", address);
	return 0;
}

static int answer_written(const struct requests *q, size_t i, const struct kf_katapult_frame *frame,
			  struct kf_error *err)
{
	return answer_address(q, i, frame, 0, err);
}

static int answer_read(const struct requests *q, size_t i, const struct kf_katapult_frame *frame,
		       struct kf_error *err)
{
	uint8_t want[BLOCK_MAX];
	const uint8_t *got = frame->payload + 8;
	int r;

	r = answer_address(q, i, frame, q->k->block_bytes, err);
	if (r < 0)
		return r;
	fill_block(q, i, want);
	for (size_t at = 0; at < q->k->block_bytes; at++)
		if (got[at] != want[at])
			return kf_fail(err, KF_VERIFY_FAILED,
				       "address 0x%08zx: wrote 0x%02x, read back 0x%02x",
				       block_address(q, i) + at, want[at], got[at]);
	return 0;
}

/* Strings of the answer to CONNECT, each ended by NULs or the payload's end; next after it. */
static const uint8_t *read_string(const uint8_t *p, const uint8_t *end, char *ret, size_t size)
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
		return kf_fail(err, KF_PROTOCOL, "protocol %u.%u.%u is not known here",
			       protocol >> 16, protocol >> 8 & 0xff, protocol & 0xff);
	if (block_bytes != 64 && block_bytes != 128 && block_bytes != 256 &&
	    block_bytes != BLOCK_MAX)
		return kf_fail(err, KF_PROTOCOL, "a block size of %u bytes is not allowed",
			       block_bytes);
	if (start % block_bytes != 0)
		return kf_fail(err, KF_PROTOCOL,
			       "application start 0x%08x is not the start of a block", start);
	k->counts_pages = false;
	k->protocol = protocol;
	k->start = start;
	k->block_bytes = block_bytes;
	p = read_string(p + CONNECT_FIXED, end, k->mcu, sizeof(k->mcu));
	read_string(p, end, k->version, sizeof(k->version));
	return 0;
}

struct connect {
	bool answered; /* by anything at all */
	bool nacked;   /* it was sent something that is no frame: by us, or by others before */
};

/*
 * Receive until deadline_ms: 1 and CONNECT's acknowledgement, 0 (not yet), or an
 * error. Other frames answer an earlier conversation, or say busy: asking again serves both.
 */
static int await_connect(struct kf_katapult *k, struct connect *c, int64_t deadline_ms,
			 struct kf_katapult_frame *ret)
{
	int r;

	do {
		r = kf_katapult_channel_receive(&k->channel, deadline_ms, ret);
		if (r < 0)
			return r == -ETIMEDOUT ? 0 : r;
		if (kf_katapult_acked(ret) == KF_KATAPULT_CONNECT)
			return 1;
		c->answered = true;
		c->nacked = c->nacked || ret->command == KF_KATAPULT_NACK;
	} while (kf_now_ms() < deadline_ms);
	return 0;
}

static int no_connect(struct kf_katapult *k, const struct connect *c, struct kf_error *err)
{
	if (c->nacked)
		return kf_fail(err, KF_PROTOCOL, "the bootloader accepts no more commands (NACK)");
	if (c->answered || k->channel.garbage > 0)
		return kf_fail(err, KF_PROTOCOL, "the answer is not from Katapult");
	kf_katapult_channel_failed(&k->channel, -ETIMEDOUT, err);
	kf_error_hint(err, "the bootloader may be stuck: power-cycle the board, then try again");
	return -ETIMEDOUT;
}

static int64_t twice(const struct kf_link_flow *flow, int64_t ms)
{
	return 2 * ms < flow->again_max_ms ? 2 * ms : flow->again_max_ms;
}

static int connect_retrying(struct kf_katapult *k, struct kf_error *err)
{
	const struct kf_link_flow *flow = &k->link->flow;
	int64_t deadline_ms = within(k, CONNECT_MS), again_ms;
	struct kf_katapult_frame frame;
	struct connect c = { 0 };
	int r;

	r = kf_katapult_channel_open(&k->channel, k->link, err);
	if (r < 0)
		return r;
	for (int64_t wait_ms = flow->again_ms;; wait_ms = twice(flow, wait_ms)) {
		again_ms = within(k, wait_ms);
		if (again_ms > deadline_ms)
			again_ms = deadline_ms;
		r = kf_link_attach(k->link, deadline_ms);
		if (r < 0)
			return kf_katapult_channel_failed(&k->channel, r, err);
		r = kf_katapult_channel_send(&k->channel, KF_KATAPULT_CONNECT, NULL, 0, deadline_ms,
					     err);
		if (r < 0)
			return r;
		k->channel.connects++;
		r = await_connect(k, &c, again_ms, &frame);
		if (r < 0)
			return kf_katapult_channel_failed(&k->channel, r, err);
		if (r > 0)
			return parse_connect(k, &frame, err);
		if (kf_now_ms() >= deadline_ms)
			return no_connect(k, &c, err);
	}
}

int kf_katapult_connect(struct kf_katapult *k, struct kf_error *err)
{
	int r = connect_retrying(k, err);

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
	struct requests q = { .k = k, .command = command, .count = 1, .answer = answer_plain };

	return request_all(&q, err);
}

int kf_katapult_finish(struct kf_katapult *k, struct kf_error *err)
{
	int r = run_plain(k, KF_KATAPULT_EOF, err);

	k->counts_pages = k->counts_pages || r == 0;
	return r;
}

/* q->count is all blocks: add what it takes to have the first page go last, if there are others. */
static void order_pages(struct requests *q)
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
	struct requests q = { .k = k, .data = data, .len = len, .progress = progress, .arg = arg };
	int r;

	q.command = KF_KATAPULT_SEND_BLOCK;
	q.answer = answer_written;
	r = count_blocks(k, len, &q.count, err);
	if (r < 0)
		return r;
	order_pages(&q);
	r = request_all(&q, err);
	return r < 0 ? r : kf_katapult_finish(k, err);
}

int kf_katapult_verify(struct kf_katapult *k, const uint8_t *data, size_t len,
		       kf_katapult_progress *progress, void *arg, struct kf_error *err)
{
	struct requests q = { .k = k, .data = data, .len = len, .progress = progress, .arg = arg };
	int r;

	q.command = KF_KATAPULT_REQUEST_BLOCK;
	q.answer = answer_read;
	r = count_blocks(k, len, &q.count, err);
	return r < 0 ? r : request_all(&q, err);
}

/* Where what is read goes, and who wants to know how far it is. */
struct reading {
	uint8_t *to;
	kf_katapult_progress *progress;
	void *arg;
};

static int answer_copied(const struct requests *q, size_t i, const struct kf_katapult_frame *frame,
			 struct kf_error *err)
{
	const struct reading *reading = q->arg;
	size_t at = i * q->k->block_bytes, left = q->len - at;
	int r = answer_address(q, i, frame, q->k->block_bytes, err);

	if (r == 0)
		memcpy(reading->to + at, frame->payload + 8,
		       left < q->k->block_bytes ? left : q->k->block_bytes);
	return r;
}

static void pass_progress(size_t done, size_t total, void *arg)
{
	const struct reading *reading = arg;

	if (reading->progress)
		reading->progress(done, total, reading->arg);
}

int kf_katapult_read(struct kf_katapult *k, uint8_t *ret, size_t len,
		     kf_katapult_progress *progress, void *arg, struct kf_error *err)
{
	struct reading reading = { ret, progress, arg };
	struct requests q = { .k = k,
			      .command = KF_KATAPULT_REQUEST_BLOCK,
			      .answer = answer_copied,
			      .data = ret,
			      .len = len,
			      .progress = pass_progress,
			      .arg = &reading,
			      .settles = true };
	int r = count_blocks(k, len, &q.count, err);

	/* The first block may be asked for twice in a row: its answer is no repetition then. */
	memset(k->channel.last, 0, sizeof(k->channel.last));
	return r < 0 ? r : request_all(&q, err);
}

static int answer_first_word(const struct requests *q, size_t i,
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
	struct requests q = { .k = k,
			      .command = KF_KATAPULT_REQUEST_BLOCK,
			      .count = 1,
			      .answer = answer_first_word,
			      .data = unused,
			      .len = sizeof(unused),
			      .arg = ret };

	return request_all(&q, err);
}

static int answer_can_uuid(const struct requests *q, size_t i,
			   const struct kf_katapult_frame *frame, struct kf_error *err)
{
	(void)i;
	if (frame->payload_bytes < 4 + KF_CAN_UUID_BYTES)
		return wrong_length(frame, err);
	memcpy(q->arg, frame->payload + 4, KF_CAN_UUID_BYTES);
	return 0;
}

int kf_katapult_can_uuid(struct kf_katapult *k, uint8_t ret[KF_CAN_UUID_BYTES],
			 struct kf_error *err)
{
	struct requests q = { .k = k,
			      .command = KF_KATAPULT_CAN_ID,
			      .count = 1,
			      .answer = answer_can_uuid,
			      .arg = ret };

	return request_all(&q, err);
}

int kf_katapult_complete(struct kf_katapult *k, struct kf_error *err)
{
	struct kf_error failed;
	int r = run_plain(k, KF_KATAPULT_COMPLETE, &failed);

	/* Gone while the answer was awaited: that is what was asked for. */
	if (r == -ENODEV && !k->channel.broken)
		return 0;
	if (r < 0 && err)
		*err = failed;
	return r;
}
