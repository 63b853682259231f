/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/text.h"
#include "katapult/requests.h"
#include "katapult/session.h"

#define SETTLE_MS     20
#define EARLIER_MAX   8 /* answers to CONNECT that a killed program asked for */
#define CONNECT_MS    5000
#define CONNECT_FIXED 16 /* command, protocol, start, block size; then the strings */

static int wrong_length(const struct kf_katapult_frame *frame, struct kf_error *err)
{
	return kf_fail(err, KF_PROTOCOL, "an ACK of %u bytes does not fit this command",
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
	if (address != kf_katapult_blocks_address(&q->blocks, i))
		return kf_fail(err, KF_PROTOCOL, "got the answer of address 0x%08x", address);
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
	int r = answer_address(q, i, frame, q->blocks.block_bytes, err);

	if (r < 0)
		return r;
	kf_katapult_blocks_fill(&q->blocks, i, want);
	return kf_bytes_verify(kf_katapult_blocks_address(&q->blocks, i), want, frame->payload + 8,
			       q->blocks.block_bytes, err);
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
	    block_bytes != KF_KATAPULT_BLOCK_MAX)
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
	int r;

	k->wedged = c->nacked;
	if (c->nacked)
		return kf_fail(err, KF_PROTOCOL, "the bootloader accepts no more commands (NACK)");
	if (c->answered || k->channel.garbage > 0 || k->channel.rx_len > 0) {
		r = err ? kf_link_explain(k->link, err) : 0;
		return r < 0 ? r : kf_katapult_channel_failed(&k->channel, -EPROTO, err);
	}
	r = kf_katapult_channel_failed(&k->channel, -ETIMEDOUT, err);
	if (r == -ETIMEDOUT)
		kf_error_hint(err,
			      "the bootloader may be stuck: power-cycle the board, then try again");
	return r;
}

static int64_t twice(const struct kf_link_flow *flow, int64_t ms)
{
	return 2 * ms < flow->again_max_ms ? 2 * ms : flow->again_max_ms;
}

/*
 * CONNECT was answered. Where it was sent more than once, more answers may be on their way: a board
 * that loses what it has no room for would drop the answer to the next request because of them.
 */
static int finish_connect(struct kf_katapult *k, const struct kf_katapult_frame *frame,
			  unsigned asked, struct kf_error *err)
{
	int r = parse_connect(k, frame, err);

	k->channel.connects = asked;
	if (r < 0 || k->link->flow.holds_requests)
		return r;
	if (asked > 1)
		kf_katapult_channel_settle(&k->channel, SETTLE_MS);
	/* We also receive the answers to CONNECTs of a program that was killed. */
	k->channel.connects += EARLIER_MAX;
	return r;
}

static int connect_retrying(struct kf_katapult *k, struct kf_error *err)
{
	const struct kf_link_flow *flow = &k->link->flow;
	int64_t deadline_ms = kf_within_ms(CONNECT_MS, k->deadline_ms), again_ms;
	struct kf_katapult_frame frame;
	struct connect c = { 0 };
	unsigned asked = 0;
	int r;

	r = kf_katapult_channel_open(&k->channel, k->link, err);
	if (r < 0)
		return r;
	for (int64_t wait_ms = flow->again_ms;; wait_ms = twice(flow, wait_ms)) {
		again_ms = kf_within_ms(wait_ms, deadline_ms);
		r = kf_link_attach(k->link, deadline_ms);
		if (r < 0)
			return kf_katapult_channel_failed(&k->channel, r, err);
		r = kf_katapult_channel_send(&k->channel, KF_KATAPULT_CONNECT, NULL, 0, deadline_ms,
					     err);
		if (r < 0)
			return r;
		asked++;
		r = await_connect(k, &c, again_ms, &frame);
		if (r < 0)
			return kf_katapult_channel_failed(&k->channel, r, err);
		if (r > 0)
			return finish_connect(k, &frame, asked, err);
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

/* One request without an address. */
static int run_plain(struct kf_katapult *k, struct kf_katapult_requests *q, struct kf_error *err)
{
	q->channel = &k->channel;
	q->deadline_ms = k->deadline_ms;
	q->blocks.count = 1;
	return kf_katapult_request_all(q, err);
}

/* Prepare to ask for all blocks of data, as they lie. */
static int prepare(struct kf_katapult *k, const uint8_t *data, size_t len,
		   struct kf_katapult_requests *q, struct kf_error *err)
{
	q->channel = &k->channel;
	q->deadline_ms = k->deadline_ms;
	return kf_katapult_blocks_init(&q->blocks, k->start, k->block_bytes, data, len, err);
}

int kf_katapult_finish(struct kf_katapult *k, struct kf_error *err)
{
	struct kf_katapult_requests q = { .command = KF_KATAPULT_EOF, .answer = answer_plain };
	int r = run_plain(k, &q, err);

	k->counts_pages = k->counts_pages || r == 0;
	return r;
}

int kf_katapult_write(struct kf_katapult *k, const uint8_t *data, size_t len,
		      kf_katapult_progress *progress, void *arg, struct kf_error *err)
{
	struct kf_katapult_requests q = { .command = KF_KATAPULT_SEND_BLOCK,
					  .answer = answer_written,
					  .progress = progress,
					  .arg = arg };
	int r = prepare(k, data, len, &q, err);

	if (r < 0)
		return r;
	kf_katapult_blocks_order(&q.blocks, k->mcu, k->counts_pages);
	r = kf_katapult_request_all(&q, err);
	return r < 0 ? r : kf_katapult_finish(k, err);
}

int kf_katapult_verify(struct kf_katapult *k, const uint8_t *data, size_t len,
		       kf_katapult_progress *progress, void *arg, struct kf_error *err)
{
	struct kf_katapult_requests q = { .command = KF_KATAPULT_REQUEST_BLOCK,
					  .answer = answer_read,
					  .progress = progress,
					  .arg = arg };
	int r = prepare(k, data, len, &q, err);

	return r < 0 ? r : kf_katapult_request_all(&q, err);
}

/* A read in progress: its buffer, and who is told how far it is. */
struct reading {
	uint8_t *to;
	kf_katapult_progress *progress;
	void *arg;
};

static int answer_copied(const struct kf_katapult_requests *q, size_t i,
			 const struct kf_katapult_frame *frame, struct kf_error *err)
{
	const struct reading *reading = q->arg;
	size_t at = i * q->blocks.block_bytes, left = q->blocks.len - at;
	int r = answer_address(q, i, frame, q->blocks.block_bytes, err);

	if (r == 0)
		memcpy(reading->to + at, frame->payload + 8,
		       left < q->blocks.block_bytes ? left : q->blocks.block_bytes);
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
	struct kf_katapult_requests q = { .command = KF_KATAPULT_REQUEST_BLOCK,
					  .answer = answer_copied,
					  .progress = pass_progress,
					  .arg = &reading };
	int r = prepare(k, ret, len, &q, err);

	/* The first block may be asked for twice in a row: its answer is no repetition then. */
	memset(k->channel.last, 0, sizeof(k->channel.last));
	return r < 0 ? r : kf_katapult_request_all(&q, err);
}

int kf_katapult_has_application(struct kf_katapult *k, bool *ret, struct kf_error *err)
{
	uint8_t word[4];
	int r = kf_katapult_read(k, word, sizeof(word), NULL, NULL, err);

	if (r == 0)
		*ret = kf_get_le32(word) != 0 && kf_get_le32(word) != UINT32_MAX;
	return r;
}

static int answer_can_uuid(const struct kf_katapult_requests *q, size_t i,
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
	struct kf_katapult_requests q = { .command = KF_KATAPULT_CAN_ID,
					  .answer = answer_can_uuid,
					  .arg = ret };

	return run_plain(k, &q, err);
}

int kf_katapult_complete(struct kf_katapult *k, struct kf_error *err)
{
	struct kf_katapult_requests q = { .command = KF_KATAPULT_COMPLETE, .answer = answer_plain };
	struct kf_error failed;
	int r = run_plain(k, &q, &failed);

	/* The board left before its answer came: to leave is what it was asked. */
	if (r == -ENODEV && !k->channel.broken)
		return 0;
	if (r < 0 && err)
		*err = failed;
	return r;
}
