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
#include "katapult/requests.h"

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

/* The requests from done on, up to sent, are in flight. */
struct flight {
	size_t sent, done, window;
	size_t nudges; /* EOFs sent early */
	int64_t deadline_ms;
};

size_t kf_katapult_window(const struct kf_katapult_channel *channel, uint32_t block_bytes,
			  uint8_t command)
{
	size_t fit;

	if (!channel->link->flow.holds_requests)
		return 1;
	if (command == KF_KATAPULT_SEND_BLOCK)
		return WRITE_WINDOW;
	fit = TX_BYTES / (ACK_BYTES + block_bytes);
	return command == KF_KATAPULT_REQUEST_BLOCK && fit > 1 ? fit : 1;
}

/* The board is busy: wait a moment, unless it leaves or a stop signal comes. */
static int wait_while_busy(const struct kf_katapult_requests *q, int64_t deadline_ms,
			   struct kf_error *err)
{
	struct pollfd pfd = { .fd = q->channel->link->fd };
	int r;

	if (kf_now_ms() + BUSY_MS >= deadline_ms) {
		kf_fail(err, KF_BUSY, "the bootloader stays busy");
		return kf_error_hint(err, "power-cycle the board, then try again");
	}
	r = kf_wait(&pfd, 1, kf_within_ms(BUSY_MS, q->deadline_ms));
	return r == 0 ? 0 : kf_katapult_channel_failed(q->channel, r < 0 ? r : -ENODEV, err);
}

static int send_request(const struct kf_katapult_requests *q, size_t i, int64_t deadline_ms,
			struct kf_error *err)
{
	uint8_t payload[4 + KF_KATAPULT_BLOCK_MAX];
	size_t len = 0;

	if (q->blocks.data) {
		kf_put_le32(payload, kf_katapult_blocks_address(&q->blocks, i));
		len = 4;
		if (q->command == KF_KATAPULT_SEND_BLOCK) {
			kf_katapult_blocks_fill(&q->blocks, i, payload + 4);
			len += q->blocks.block_bytes;
		}
	}
	return kf_katapult_channel_send(q->channel, q->command, payload, len, deadline_ms, err);
}

static int send_more(const struct kf_katapult_requests *q, struct flight *f, struct kf_error *err)
{
	size_t window = f->done == 0 ? 1 : f->window;
	int r = 0;

	while (r == 0 && f->sent < q->blocks.count && f->sent - f->done < window) {
		r = send_request(q, f->sent, f->deadline_ms, err);
		f->sent += r == 0;
	}
	return r;
}

/* Four acknowledgements that nothing will follow may fill one packet. */
static bool may_be_held(const struct kf_katapult_requests *q, const struct flight *f)
{
	unsigned packet_bytes = q->channel->link->flow.packet_bytes;

	return q->command == KF_KATAPULT_SEND_BLOCK && f->window > 1 &&
	       f->sent == q->blocks.count && packet_bytes > 0 &&
	       (f->sent - f->done + f->nudges) * ACK_BYTES == packet_bytes;
}

/* The first bytes of the right answer to request i. */
static void answer_head(const struct kf_katapult_requests *q, size_t i, uint8_t ret[12])
{
	ret[0] = 0x01;
	ret[1] = 0x88;
	ret[2] = KF_KATAPULT_ACK;
	ret[3] = (uint8_t)((8 + q->blocks.block_bytes) / 4);
	kf_put_le32(ret + 4, q->command);
	kf_put_le32(ret + 8, kf_katapult_blocks_address(&q->blocks, i));
}

/*
 * Send the next request when the rest of the awaited answer and the next one fit into the board's
 * room together. The first answer is waited for to its end: an older one may come before it.
 */
static int send_ahead(const struct kf_katapult_requests *q, struct flight *f, struct kf_error *err)
{
	size_t answer = ACK_BYTES + q->blocks.block_bytes;
	uint8_t head[12];
	int r;

	if (!q->channel->link->flow.overlaps || q->command != KF_KATAPULT_REQUEST_BLOCK ||
	    f->done == 0 || f->sent - f->done != 1 || f->sent == q->blocks.count ||
	    answer > TX_SMALL_BYTES)
		return 0;
	answer_head(q, f->done, head);
	r = kf_katapult_channel_begun(q->channel, head, sizeof(head), 2 * answer - TX_SMALL_BYTES,
				      f->deadline_ms);
	if (r < 0)
		return kf_katapult_channel_failed(q->channel, r, err);
	if (r > 0)
		r = send_request(q, f->sent, f->deadline_ms, err);
	else
		return 0;
	f->sent += r == 0;
	return r;
}

/* Returns what kf_katapult_channel_ack does. An early EOF is answered after the blocks. */
static int await_answer(const struct kf_katapult_requests *q, struct flight *f,
			struct kf_katapult_frame *ret, struct kf_error *err)
{
	struct kf_katapult_channel *channel = q->channel;
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

/* This answer may be to a later request: count the answers that are missing before it. */
static size_t count_missing(const struct kf_katapult_requests *q, const struct flight *f,
			    const struct kf_katapult_frame *frame)
{
	uint32_t address;

	if (!q->blocks.data || frame->payload_bytes < 8)
		return 0;
	address = kf_get_le32(frame->payload + 4);
	if (kf_katapult_blocks_address(&q->blocks, f->done) == address)
		return 0;
	for (size_t i = f->done + 1; i < f->sent; i++)
		if (kf_katapult_blocks_address(&q->blocks, i) == address)
			return i - f->done;
	return 0;
}

/* Take so many answers, whatever they say: then nothing is in flight. */
static int receive_rest(const struct kf_katapult_requests *q, size_t count, int64_t ms,
			struct kf_error *err)
{
	struct kf_katapult_frame frame;
	int r = 0;

	for (; r >= 0 && count > 0; count--)
		r = kf_katapult_channel_ack(q->channel, q->command,
					    kf_within_ms(ms, q->deadline_ms), &frame, err);
	return r < 0 ? r : 0;
}

/*
 * The LPC176x refuses another address in the middle of a unit until its next reset: send it the
 * rest of the unit.
 */
static int finish_unit(const struct kf_katapult_requests *q, struct flight *f, int64_t ms,
		       struct kf_error *err)
{
	int64_t deadline_ms = kf_within_ms(ms, q->deadline_ms);
	int r = 0;

	while (r == 0 && q->blocks.unit && f->sent % q->blocks.unit && f->sent < q->blocks.count) {
		r = send_request(q, f->sent, deadline_ms, err);
		f->sent += r == 0;
	}
	return r;
}

/*
 * Start again from the first block, one by one: a block that was refused may be the first of a
 * page, whose erase takes what was written after it, and on the RP2040 what was collected before
 * it.
 */
static int start_over(const struct kf_katapult_requests *q, struct flight *f, size_t in_flight,
		      struct kf_error *err)
{
	size_t sent = f->sent;
	int r = finish_unit(q, f, ANSWER_MS, err);

	if (r == 0)
		r = receive_rest(q, in_flight + f->sent - sent, ANSWER_MS, err);
	*f = (struct flight){ .window = 1, .deadline_ms = kf_within_ms(ANSWER_MS, q->deadline_ms) };
	/* The first block's answer may be the last that was taken: it is no repetition now. */
	memset(q->channel->last, 0, sizeof(q->channel->last));
	return r;
}

/* Without other requests in flight, only this one is sent again, under the same deadline. */
static int handle_busy(const struct kf_katapult_requests *q, struct flight *f, struct kf_error *err)
{
	size_t others = f->sent - f->done - 1;
	int r;

	if (others > 0) {
		r = start_over(q, f, others, err);
		if (r < 0)
			return r;
	}
	f->sent = f->done;
	return wait_while_busy(q, f->deadline_ms, err);
}

/* Receive the answers that are still on their way: the next request must not meet them. */
static int handle_wrong(const struct kf_katapult_requests *q, struct flight *f, int r,
			struct kf_error *err)
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

static void count_answer(const struct kf_katapult_requests *q, struct flight *f)
{
	size_t i = f->done++;

	f->deadline_ms = kf_within_ms(ANSWER_MS, q->deadline_ms);
	if (q->progress)
		q->progress(kf_katapult_blocks_done(&q->blocks, i), q->blocks.len, q->arg);
}

/* Send what fits into the window, then receive one answer and act on it. */
static int advance(const struct kf_katapult_requests *q, struct flight *f, struct kf_error *err)
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

/* After a stop signal: receive the answers in flight, because closing the port may cut a frame. */
static void end_between(const struct kf_katapult_requests *q, struct flight *f)
{
	kf_stop_defer(true);
	if (finish_unit(q, f, STOP_MS, NULL) == 0)
		IGNORE_RESULT(receive_rest(q, f->sent - f->done, STOP_MS, NULL));
	kf_stop_defer(false);
}

int kf_katapult_request_all(const struct kf_katapult_requests *q, struct kf_error *err)
{
	struct flight f = { .window = kf_katapult_window(q->channel, q->blocks.block_bytes,
							 q->command),
			    .deadline_ms = kf_within_ms(ANSWER_MS, q->deadline_ms) };
	int r = 0;

	while (r == 0 && f.done < q->blocks.count)
		r = advance(q, &f, err);
	if (r == -EINTR)
		end_between(q, &f);
	/* After a read something else may be asked, and must not meet the other answers. */
	else if (r == -EPROTO && q->command == KF_KATAPULT_REQUEST_BLOCK && f.sent > f.done)
		IGNORE_RESULT(receive_rest(q, f.sent - f.done - 1, STOP_MS, NULL));
	if (r < 0 && q->blocks.data)
		kf_error_prefix(err, "block 0x%08x",
				kf_katapult_blocks_address(&q->blocks, f.done));
	else if (r < 0)
		kf_error_prefix(err, "%s", kf_katapult_command_name(q->command));
	return r;
}
