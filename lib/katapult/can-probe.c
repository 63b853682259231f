/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "core/clock.h"
#include "katapult/can-probe.h"
#include "katapult/frame.h"
#include "mcu/frame.h"

enum { OTHER_MS = 40 }; /* as long as an answer is waited for before the node is asked again */

struct program {
	struct kf_link *link;
	uint8_t frame[KF_KATAPULT_FRAME_MAX];
	size_t len;
};

/* Send the request, also again: a node that starts up, or is busy, loses frames. */
static int send_to(const struct program *program, int64_t deadline_ms)
{
	int r = kf_link_attach(program->link, deadline_ms);

	return r < 0 ? r : kf_link_send(program->link, program->frame, program->len, deadline_ms);
}

/* 1: it has answered; 0: not yet; or as kf_link_receive. */
static int has_answered(const struct program *program)
{
	uint8_t buf[64];
	ssize_t got = kf_link_receive(program->link, buf, sizeof(buf), 0);

	return got == -ETIMEDOUT ? 0 : got < 0 ? (int)got : 1;
}

/* Wait for either: its index, -ETIMEDOUT, or as kf_link_receive. */
static int await_one(const struct program programs[2], int64_t until_ms)
{
	struct pollfd fds[2] = { { .fd = programs[0].link->fd, .events = POLLIN },
				 { .fd = programs[1].link->fd, .events = POLLIN } };
	int n, r;

	while ((n = kf_wait(fds, 2, until_ms)) > 0) {
		for (int i = 0; i < 2; i++) {
			r = fds[i].revents ? has_answered(&programs[i]) : 0;
			if (r != 0)
				return r < 0 ? r : i;
		}
	}
	return n < 0 ? n : -ETIMEDOUT;
}

/*
 * One node runs one program: if the other one answers too, there are two nodes. The second may have
 * lost the first request, as any node may: it is asked once more.
 */
static int check_alone(const struct program *other, struct kf_error *err)
{
	struct pollfd fd = { .fd = other->link->fd, .events = POLLIN };
	int64_t until_ms = kf_now_ms() + OTHER_MS;
	int n, r = send_to(other, until_ms);

	if (r < 0)
		return kf_link_failed(other->link, r, err);
	while ((n = kf_wait(&fd, 1, until_ms)) > 0) {
		r = has_answered(other);
		if (r < 0)
			break;
		if (r == 0)
			continue;
		kf_fail(err, KF_AMBIGUOUS,
			"two nodes have this UUID: one waits in Katapult, the other runs Klipper");
		return kf_error_hint(
			err, "take one of them off the bus: boards whose chips have the same "
			     "id cannot share one");
	}
	return n == -EINTR ? kf_fail_stopped(err) : 0;
}

int kf_can_probe(struct kf_link *katapult, struct kf_link *klipper, int64_t deadline_ms,
		 enum kf_can_application *ret, struct kf_error *err)
{
	static const uint8_t identify[] = { 1, 0, 1 }; /* one byte from offset 0 on */
	struct program programs[2] = { { .link = katapult }, { .link = klipper } };
	int64_t wait_ms = katapult->flow.again_ms;
	int r;

	programs[0].len = kf_katapult_frame_encode(KF_KATAPULT_CONNECT, NULL, 0, programs[0].frame);
	programs[1].len = kf_klipper_block_encode(0, identify, sizeof(identify), programs[1].frame);
	do {
		r = send_to(&programs[0], deadline_ms);
		if (r == 0)
			r = send_to(&programs[1], deadline_ms);
		if (r == 0)
			r = await_one(programs, kf_within_ms(wait_ms, deadline_ms));
		wait_ms = katapult->flow.again_max_ms;
	} while (r == -ETIMEDOUT && kf_now_ms() < deadline_ms);
	if (r < 0)
		return kf_link_failed(katapult, r, err);
	*ret = r == 0 ? KF_CAN_KATAPULT : KF_CAN_KLIPPER;
	return check_alone(&programs[!r], err);
}
