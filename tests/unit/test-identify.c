/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Klipper's identify against a firmware in a thread that keeps Klipper's rules, and breaks them. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <zlib.h>

#include "core/clock.h"
#include "mcu/frame.h"
#include "mcu/identify.h"
#include "unit/test.h"

#define LONG_MS 5000 /* ms; only for what has to come */

struct firmware {
	uint8_t next_sequence;
	const uint8_t *dictionary;
	size_t len;
	/* faults */
	const char *before;  /* said when it is asked first */
	int lost_requests;   /* the first so many are not heard */
	int lost_answers;    /* the first so many are not sent, but acted upon */
	int lost_acks;	     /* of the first so many */
	int lies;	     /* the first so many say that they are longer than they are */
	size_t leave_at;     /* offset at which it leaves; 0: never */
	bool wrong_sequence; /* it never agrees on one */
	bool chatty;	     /* other messages between the answers */
	bool endless;	     /* a dictionary without an end */
	bool leftover;	     /* its input begins with half a block of somebody's */
	bool in_pieces;	     /* writes each byte by itself */
	/* what happened */
	int requests;
	int host;
	uint8_t rx[512];
	size_t rx_len;
};

static void put(struct firmware *f, const uint8_t *data, size_t len)
{
	size_t step = f->in_pieces ? 1 : len;

	for (size_t i = 0; i < len; i += step)
		CHECK(send(f->host, data + i, step, MSG_NOSIGNAL) == (ssize_t)step);
}

static void say(struct firmware *f, const void *content, size_t len)
{
	uint8_t block[KF_KLIPPER_BLOCK_MAX];

	put(f, block, kf_klipper_block_encode(f->next_sequence, content, len, block));
}

static void answer(struct firmware *f, uint32_t offset, uint32_t count)
{
	uint8_t content[KF_KLIPPER_CONTENT_MAX] = { 0 };
	size_t n = 1;

	n += kf_klipper_vlq_encode(offset, content + n);
	if (!f->endless)
		count = offset >= f->len ? 0 : offset + count > f->len ? f->len - offset : count;
	content[n++] = (uint8_t)(f->lies-- > 0 ? count + 60 : count);
	if (!f->endless)
		memcpy(content + n, f->dictionary + offset, count);
	say(f, content, n + count);
}

/* One good block from the host; false when it is to leave. */
static bool obey(struct firmware *f, const struct kf_klipper_block *block)
{
	uint32_t offset, count;
	size_t n;

	f->requests++;
	if (f->before)
		put(f, (const uint8_t *)f->before, strlen(f->before));
	f->before = NULL;
	if (f->lost_requests-- > 0)
		return true;
	if (f->wrong_sequence)
		f->next_sequence = block->sequence + 3;
	if (block->sequence != (f->next_sequence & 0x0f)) {
		say(f, NULL, 0);
		return true;
	}
	f->next_sequence++;
	CHECK(block->content_bytes >= 3 && block->content[0] == 1);
	n = kf_klipper_vlq_decode(block->content + 1, block->content_bytes - 1u, &offset);
	CHECK(kf_klipper_vlq_decode(block->content + 1 + n, block->content_bytes - 1u - n,
				    &count) == 1);
	CHECK(count == 40);
	if (f->leave_at && offset >= f->leave_at)
		return false;
	if (f->chatty)
		say(f, "\x2a\x01\x02", 3);
	if (f->lost_answers-- <= 0)
		answer(f, offset, count);
	if (f->chatty)
		say(f, "\x80\x2a\x05", 3);
	if (f->lost_acks-- <= 0)
		say(f, NULL, 0);
	return true;
}

static void *run_firmware(void *arg)
{
	struct firmware *f = arg;
	struct kf_klipper_block block;
	size_t skip;
	ssize_t got;
	int r;

	if (f->leftover) {
		memcpy(f->rx, "\x28\x15\x33\x01", 4);
		f->rx_len = 4;
	}
	while ((got = read(f->host, f->rx + f->rx_len, sizeof(f->rx) - f->rx_len)) > 0) {
		f->rx_len += (size_t)got;
		while ((r = kf_klipper_block_decode(f->rx, f->rx_len, &block, &skip)) != 0) {
			if (r > 0 && !obey(f, &block))
				goto leave;
			if (r < 0 && f->rx[0] != KF_KLIPPER_SYNC)
				say(f, NULL, 0);
			f->rx_len -= r > 0 ? (size_t)r : skip;
			memmove(f->rx, f->rx + (r > 0 ? (size_t)r : skip), f->rx_len);
		}
	}
leave:
	close(f->host);
	return NULL;
}

static uint8_t zipped[2048];
static size_t zipped_bytes;

/* A dictionary of a good number of pieces: numbers do not compress well. */
static void make_dictionary(void)
{
	char json[4096];
	uLongf used = sizeof(zipped);
	uint32_t seed = 1;
	int n = snprintf(json, sizeof(json),
			 "{\"app\":\"Kalico\",\"version\":\"v2026.01.00-5-gabc\","
			 "\"config\":{\"MCU\":\"stm32h723xx\"},\"commands\":[0");

	for (int i = 0; i < 200; i++) {
		seed = seed * 1664525 + 1013904223;
		n += snprintf(json + n, sizeof(json) - (size_t)n, ",%u", seed);
	}
	n += snprintf(json + n, sizeof(json) - (size_t)n, "]}");
	CHECK(compress2(zipped, &used, (Bytef *)json, (uLong)n, 9) == Z_OK);
	zipped_bytes = used;
	CHECK(zipped_bytes > 900); /* more requests than there are sequence numbers */
}

static int identify(struct firmware *f, int64_t ms, struct kf_dictionary *ret, struct kf_error *err)
{
	struct kf_link link;
	pthread_t thread;
	int fds[2], r;

	make_dictionary();
	if (!f->dictionary) {
		f->dictionary = zipped;
		f->len = zipped_bytes;
	}
	memset(ret, 0, sizeof(*ret));
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	CHECK(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
	f->host = fds[1];
	CHECK(pthread_create(&thread, NULL, run_firmware, f) == 0);
	kf_link_from_fd(fds[0], true, &link);
	r = kf_klipper_identify(&link, kf_now_ms() + ms, ret, err);
	close(fds[0]);
	CHECK(pthread_join(thread, NULL) == 0);
	return r;
}

static void succeeds(struct firmware f, int requests_more)
{
	struct kf_dictionary d;
	struct kf_error err = { 0 };
	int least = (int)(zipped_bytes + 39) / 40 + 1;

	CHECK(identify(&f, LONG_MS, &d, &err) == 0);
	CHECK_STR(err.message, "");
	CHECK_STR(d.app, "Kalico");
	CHECK_STR(d.version, "v2026.01.00-5-gabc");
	CHECK_STR(d.mcu, "stm32h723xx");
	CHECK(f.requests >= least && f.requests <= least + requests_more);
}

TEST(a_firmware_says_what_it_is)
{
	make_dictionary();
	succeeds((struct firmware){ .next_sequence = 0 }, 0);
	succeeds((struct firmware){ .in_pieces = true }, 0);
}

TEST(any_sequence_is_taken_over)
{
	/* 1 looks like an acknowledgement of 0, and costs one more round. */
	for (uint8_t s = 1; s < 16; s += 7)
		succeeds((struct firmware){ .next_sequence = s }, 1);
}

TEST(bytes_left_by_others_do_no_harm)
{
	succeeds((struct firmware){ .leftover = true }, 2);
	succeeds((struct firmware){ .before = "\x0f\x17half a bl" }, 2);
	succeeds((struct firmware){ .before = "\xff\x7e\x7e" }, 2);
	succeeds((struct firmware){ .chatty = true, .next_sequence = 9 }, 1);
}

TEST(lost_and_damaged_answers_are_requested_again)
{
	succeeds((struct firmware){ .lost_requests = 1 }, 1);
	succeeds((struct firmware){ .lost_answers = 1 }, 1);
	succeeds((struct firmware){ .lost_acks = 1 }, 0);
	succeeds((struct firmware){ .lies = 1 }, 1);
}

static void fails(struct firmware f, int64_t ms, int want, const char *message)
{
	struct kf_dictionary d;
	struct kf_error err;

	CHECK(identify(&f, ms, &d, &err) == want);
	CHECK_STR(err.message, message);
	CHECK(d.version[0] == '\0');
}

TEST(each_failure_has_its_message)
{
	int64_t begin = kf_now_ms();

	fails((struct firmware){ .lost_requests = 1000 }, 300, -ETIMEDOUT,
	      "identify: no answer in time");
	CHECK(kf_now_ms() - begin >= 300);
	fails((struct firmware){ .lost_requests = 1000, .before = "Marlin 2.1" }, 300, -ETIMEDOUT,
	      "identify: no answer from Klipper in time");
	fails((struct firmware){ .leave_at = 400 }, KF_FOREVER / 2, -ENODEV,
	      "identify: the board was disconnected meanwhile");
	fails((struct firmware){ .wrong_sequence = true }, LONG_MS, -EPROTO,
	      "identify: the board refuses every sequence number");
	fails((struct firmware){ .dictionary = (const uint8_t *)"rubbish", .len = 7 }, LONG_MS,
	      -EPROTO, "identify: the data dictionary is not zlib's");
	fails((struct firmware){ .dictionary = zipped, .len = 300 }, LONG_MS, -EPROTO,
	      "identify: the data dictionary is cut off");
	fails((struct firmware){ .endless = true }, 60000, -EPROTO,
	      "identify: the data dictionary has no end");
}

TEST_MAIN(T(a_firmware_says_what_it_is), T(any_sequence_is_taken_over),
	  T(bytes_left_by_others_do_no_harm), T(lost_and_damaged_answers_are_requested_again),
	  T(each_failure_has_its_message))
