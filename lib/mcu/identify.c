/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The dictionary is asked for piece by piece, one request outstanding. A board answers a
 * request (its data, then an empty block as acknowledgement) only if it carries the sequence
 * that the board expects; else an empty block names the expected one, and we take it over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "mcu/frame.h"
#include "mcu/identify.h"

#define IDENTIFY	  1
#define IDENTIFY_RESPONSE 0
#define PIECE_BYTES	  40 /* what Klipper's own host asks for; fits every block */
#define ANSWER_MS	  200
#define REFUSALS_MAX	  16

struct talk {
	struct kf_link *link;
	int64_t deadline_ms;
	uint8_t sequence; /* of our next request: what the board expects */
	bool answered;	  /* anything at all */
	size_t rx_len;
	uint8_t rx[4 * KF_KLIPPER_BLOCK_MAX];
	size_t len;
	uint8_t *data; /* KF_DICTIONARY_MAX bytes */
};

static void drop(struct talk *t, size_t bytes)
{
	t->rx_len -= bytes;
	memmove(t->rx, t->rx + bytes, t->rx_len);
}

/* The next block from the board, its content copied to content. */
static int next_block(struct talk *t, int64_t deadline_ms, struct kf_klipper_block *ret,
		      uint8_t content[KF_KLIPPER_BLOCK_MAX])
{
	size_t skip;
	ssize_t got;
	int r;

	while (kf_now_ms() < t->deadline_ms) {
		r = kf_klipper_block_decode(t->rx, t->rx_len, ret, &skip);
		if (r > 0) {
			memcpy(content, ret->content, ret->content_bytes);
			ret->content = content;
			drop(t, (size_t)r);
			return 0;
		}
		if (r < 0) {
			drop(t, skip);
			continue;
		}
		got = kf_link_receive(t->link, t->rx + t->rx_len, sizeof(t->rx) - t->rx_len,
				      deadline_ms);
		if (got < 0)
			return (int)got;
		t->answered = true;
		t->rx_len += (size_t)got;
	}
	return -ETIMEDOUT;
}

/* After silence the input of the board may begin with a part of a block: fill that up. */
static int write_filler(struct talk *t)
{
	uint8_t filler[KF_KLIPPER_BLOCK_MAX];

	memset(filler, KF_KLIPPER_SYNC, sizeof(filler));
	return kf_link_send(t->link, filler, sizeof(filler), t->deadline_ms);
}

/* Attach again: a node that was reset meanwhile has no id. */
static int wake(struct talk *t)
{
	int r = kf_link_attach(t->link, t->deadline_ms);

	return r < 0 ? r : write_filler(t);
}

static int write_request(struct talk *t)
{
	uint8_t content[1 + 5 + 5], block[KF_KLIPPER_BLOCK_MAX];
	size_t n = 0;

	content[n++] = IDENTIFY;
	n += kf_klipper_vlq_encode((uint32_t)t->len, content + n);
	n += kf_klipper_vlq_encode(PIECE_BYTES, content + n);
	return kf_link_send(t->link, block, kf_klipper_block_encode(t->sequence, content, n, block),
			    t->deadline_ms);
}

/* Is it the piece that we wait for? Its bytes are then at *ret. */
static bool is_piece(const struct talk *t, const struct kf_klipper_block *block,
		     const uint8_t **ret, size_t *ret_bytes)
{
	const uint8_t *p = block->content, *end = p + block->content_bytes;
	uint32_t offset;
	size_t n;

	if (p == end || *p++ != IDENTIFY_RESPONSE)
		return false;
	n = kf_klipper_vlq_decode(p, (size_t)(end - p), &offset);
	if (n == 0 || offset != t->len || p + n == end)
		return false;
	p += n;
	if (*p > end - p - 1)
		return false;
	*ret_bytes = *p;
	*ret = p + 1;
	return true;
}

/* Until anything has come, a node that starts up is asked as often as its wire allows. */
static int64_t first_ms(const struct kf_link *link)
{
	unsigned ms = link->flow.again_max_ms;

	return ms < ANSWER_MS ? ms : ANSWER_MS;
}

enum answer {
	SILENCE, /* ask again */
	REFUSED, /* ask again with the sequence that the board named */
	PIECE,
};

/*
 * Receive the answer to one request. Returns an enum answer or an error. A piece is returned when
 * its acknowledgement has come as well, or had the time to. An empty block that names the
 * sequence just used may be late, from an earlier request: to answer each would double them all.
 */
static int receive_piece(struct talk *t, size_t *ret_bytes)
{
	uint8_t asked = t->sequence, content[KF_KLIPPER_BLOCK_MAX];
	int64_t again_ms =
		kf_within_ms(t->answered ? ANSWER_MS : first_ms(t->link), t->deadline_ms);
	struct kf_klipper_block block;
	const uint8_t *piece;
	bool have = false;
	size_t bytes;
	int r;

	for (;;) {
		r = next_block(t, again_ms, &block, content);
		if (r == -ETIMEDOUT)
			return have ? PIECE : SILENCE;
		if (r < 0)
			return r;
		t->sequence = block.sequence;
		if (!have && is_piece(t, &block, &piece, &bytes)) {
			memcpy(t->data + t->len, piece, bytes);
			*ret_bytes = bytes;
			have = true;
		} else if (block.content_bytes == 0) {
			if (have)
				return PIECE;
			if (((block.sequence - asked) & 0x0f) > 1)
				return REFUSED;
		}
	}
}

/* Read all pieces up to the empty one. */
static int receive_all(struct talk *t)
{
	int r = PIECE, refusals = 0;
	size_t bytes = 0;

	for (;;) {
		if (t->len + UINT8_MAX > KF_DICTIONARY_MAX)
			return -EFBIG;
		r = r == SILENCE ? wake(t) : 0;
		if (r == 0)
			r = write_request(t);
		if (r == 0)
			r = receive_piece(t, &bytes);
		if (r < 0)
			return r;
		if (r == PIECE) {
			refusals = 0;
			if (bytes == 0)
				return 0;
			t->len += bytes;
		} else if (kf_now_ms() >= t->deadline_ms) {
			return -ETIMEDOUT;
		} else if (r == REFUSED && ++refusals > REFUSALS_MAX) {
			return -EPROTO;
		}
	}
}

static int drain(struct kf_link *link)
{
	uint8_t in[256];
	ssize_t got;
	int tries = 256; /* a firmware that reports all the time may never be silent */

	do
		got = kf_link_receive(link, in, sizeof(in), 0);
	while (got > 0 && --tries > 0);
	return got < 0 && got != -ETIMEDOUT ? (int)got : 0;
}

static int explain(const struct talk *t, int r, struct kf_error *err)
{
	switch (r) {
	case -ETIMEDOUT:
		if (t->answered)
			return kf_fail(err, KF_TIMEOUT, "no answer from Klipper in time");
		break;
	case -EPROTO:
		return kf_fail(err, KF_PROTOCOL, "the board refuses every sequence number");
	case -EFBIG:
		return kf_fail(err, KF_PROTOCOL, "the data dictionary has no end");
	default:
		break;
	}
	return kf_link_failed(t->link, r, err);
}

int kf_klipper_dictionary(struct kf_link *link, int64_t deadline_ms, char **ret_json,
			  size_t *ret_len, struct kf_error *err)
{
	_cleanup_(kf_freep) uint8_t *data = malloc(KF_DICTIONARY_MAX);
	struct talk t = { .link = link, .deadline_ms = deadline_ms, .data = data };
	int r;

	if (!data)
		return kf_fail(err, KF_INTERNAL, "no memory for a data dictionary");
	r = drain(link);
	if (r == 0)
		r = kf_link_attach(link, deadline_ms);
	if (r == 0)
		r = receive_all(&t);
	r = r < 0 ? explain(&t, r, err)
		  : kf_dictionary_inflate(data, t.len, ret_json, ret_len, NULL, err);
	if (r < 0)
		kf_error_prefix(err, "identify");
	return r;
}

int kf_klipper_identify(struct kf_link *link, int64_t deadline_ms, struct kf_dictionary *ret,
			struct kf_error *err)
{
	_cleanup_(kf_freep) char *json = NULL;
	size_t len = 0;
	int r = kf_klipper_dictionary(link, deadline_ms, &json, &len, err);

	if (r < 0)
		return r;
	r = kf_dictionary_parse(json, len, ret, err);
	if (r < 0)
		kf_error_prefix(err, "identify");
	return r;
}
