/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Conversations with a board that is a script in a thread. The socket keeps packets apart,
 * so that a script sees what was one write(2): it has to be one whole frame.
 */
#ifndef TESTS_UNIT_KATAPULT_TALK_H
#define TESTS_UNIT_KATAPULT_TALK_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "katapult/session.h"
#include "unit/test.h"

#define START	0x08020000u
#define LONG_MS 5000 /* ms; only for what has to come */

struct talk {
	struct kf_link link;
	struct kf_katapult k;
	struct kf_error err;
	pthread_t thread;
};

/* Take one write from the host; false if it left, or did not write one whole frame. */
static inline bool take(int board, struct kf_katapult_frame *ret)
{
	static _Thread_local uint8_t in[2 * KF_KATAPULT_FRAME_MAX];
	struct pollfd pfd = { .fd = board, .events = POLLIN };
	ssize_t got;
	size_t skip;

	if (kf_wait(&pfd, 1, kf_now_ms() + LONG_MS) != 1)
		return false;
	got = read(board, in, sizeof(in));
	return got > 0 && kf_katapult_frame_decode(in, (size_t)got, ret, &skip) == got;
}

static inline void put(int board, const void *data, size_t len)
{
	CHECK(send(board, data, len, MSG_NOSIGNAL) == (ssize_t)len);
}

static inline void say(int board, uint8_t command, const void *payload, size_t len)
{
	uint8_t frame[KF_KATAPULT_FRAME_MAX];

	put(board, frame, kf_katapult_frame_encode(command, payload, len, frame));
}

static inline void ack_words(int board, uint32_t command, uint32_t value, size_t len)
{
	uint8_t payload[16] = { 0 };

	kf_put_le32(payload, command);
	kf_put_le32(payload + 4, value);
	say(board, KF_KATAPULT_ACK, payload, len);
}

struct greeting {
	uint32_t protocol, start, block_bytes;
	const char *strings; /* MCU, NULs and version, as they stand in the payload */
	size_t strings_bytes;
};

/* mcu to the payload's end as it stands there; a literal's own NUL does not count. */
#define GREETING(protocol, start, block_bytes, strings)                                            \
	((struct greeting){ protocol, start, block_bytes, strings, sizeof(strings) - 1 })
#define GREETING_PLAIN GREETING(0x10100, START, 64, "rp2040\0\0\0\0\0\0v1\0\0")

static inline size_t greeting_encode(const struct greeting *g, uint8_t ret[KF_KATAPULT_FRAME_MAX])
{
	uint8_t payload[256] = { 0 };

	kf_put_le32(payload, KF_KATAPULT_CONNECT);
	kf_put_le32(payload + 4, g->protocol);
	kf_put_le32(payload + 8, g->start);
	kf_put_le32(payload + 12, g->block_bytes);
	memcpy(payload + 16, g->strings, g->strings_bytes);
	return kf_katapult_frame_encode(KF_KATAPULT_ACK, payload, 16 + g->strings_bytes, ret);
}

static _Thread_local struct greeting greeted; /* this script's last answer to CONNECT */

static inline void greet(int board, const struct greeting *g)
{
	uint8_t frame[KF_KATAPULT_FRAME_MAX];

	greeted = *g;
	put(board, frame, greeting_encode(g, frame));
}

/*
 * Take a frame of that command. If this thread was late with its answer, the host has sent CONNECT
 * once more, and gets one answer more, as from a board.
 */
static inline bool take_command(int board, uint8_t command)
{
	struct kf_katapult_frame frame;

	while (take(board, &frame)) {
		if (frame.command == command)
			return true;
		if (frame.command != KF_KATAPULT_CONNECT || !greeted.strings)
			return false;
		greet(board, &greeted);
	}
	return false;
}

static inline void greet_plainly(int board)
{
	CHECK(take_command(board, KF_KATAPULT_CONNECT));
	greet(board, &GREETING_PLAIN);
}

struct script {
	void (*run)(int board);
	int board;
};

static inline void *run_script(void *arg)
{
	struct script *script = arg;

	script->run(script->board);
	close(script->board);
	free(script);
	return NULL;
}

static inline void talk_begin(struct talk *t, void (*run)(int board), int64_t ms)
{
	struct script *script = malloc(sizeof(*script));
	int fds[2];

	memset(t, 0, sizeof(*t));
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
	CHECK(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
	kf_link_from_fd(fds[0], false, &t->link);
	t->k.link = &t->link;
	t->k.deadline_ms = kf_now_ms() + ms;
	*script = (struct script){ run, fds[1] };
	CHECK(pthread_create(&t->thread, NULL, run_script, script) == 0);
}

/* From here on the socket is USB, whose packets wait where the board has no room. */
static inline void talk_over_usb(struct talk *t)
{
	kf_link_from_fd(t->link.fd, true, &t->link);
}

static inline void talk_end(struct talk *t)
{
	kf_link_closep(&t->link);
	CHECK(pthread_join(t->thread, NULL) == 0);
}

static inline int talk_connect(struct talk *t, void (*run)(int board), int64_t ms)
{
	talk_begin(t, run, ms);
	return kf_katapult_connect(&t->k, &t->err);
}

/* Connect, then write len bytes; the script greets first. */
static inline int talk_write(struct talk *t, void (*run)(int board), int64_t ms, size_t len)
{
	static const uint8_t data[256] = { 1, 2, 3 };

	CHECK(talk_connect(t, run, ms) == 0);
	return kf_katapult_write(&t->k, data, len, NULL, NULL, &t->err);
}

static struct greeting greeting; /* what greet_so says */

static inline void greet_so(int board)
{
	CHECK(take_command(board, KF_KATAPULT_CONNECT));
	greet(board, &greeting);
}

#endif
