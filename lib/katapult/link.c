/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Frames over a port. What comes in is searched for frames; what goes out is always a whole one. */
#include <errno.h>
#include <string.h>

#include "katapult/link.h"
#include "link/serial.h"

#define GARBAGE_MAX 65536 /* bytes; who says more than that without a frame is no board */

const char *kf_katapult_command_name(uint8_t command)
{
	switch (command) {
	case KF_KATAPULT_CONNECT:
		return "CONNECT";
	case KF_KATAPULT_SEND_BLOCK:
		return "SEND_BLOCK";
	case KF_KATAPULT_EOF:
		return "EOF";
	case KF_KATAPULT_REQUEST_BLOCK:
		return "REQUEST_BLOCK";
	case KF_KATAPULT_COMPLETE:
		return "COMPLETE";
	case KF_KATAPULT_ACK:
		return "ACK";
	case KF_KATAPULT_NACK:
		return "NACK";
	case KF_KATAPULT_COMMAND_ERROR:
		return "a command error";
	case KF_KATAPULT_BUSY:
		return "busy";
	default:
		return "an unknown code";
	}
}

int kf_katapult_port_failed(int r, struct kf_error *err)
{
	if (r == -ENODEV)
		return kf_fail(err, KF_GONE, "the board left in the middle");
	if (r == -EPROTO)
		return kf_fail(err, KF_PROTOCOL, "what answers is not Katapult");
	if (r != -ETIMEDOUT)
		return kf_fail_sys(err, -r, "the port");
	kf_fail(err, KF_TIMEOUT, "no answer in time");
	kf_error_hint(err, "power-cycle the board, then try again");
	return r;
}

int kf_katapult_link_open(struct kf_katapult_link *link, int fd, struct kf_error *err)
{
	size_t total = 0;
	ssize_t got;

	memset(link, 0, sizeof(*link));
	link->fd = fd;
	do {
		got = kf_serial_read(fd, link->rx, sizeof(link->rx), 0);
		total += got > 0 ? (size_t)got : 0;
	} while (got > 0 && total <= GARBAGE_MAX);
	if (got > 0)
		got = -EPROTO;
	return got == -ETIMEDOUT ? 0 : kf_katapult_port_failed((int)got, err);
}

int kf_katapult_send(struct kf_katapult_link *link, uint8_t command, const void *payload,
		     size_t len, int64_t deadline_ms, struct kf_error *err)
{
	uint8_t frame[KF_KATAPULT_FRAME_MAX];
	size_t frame_bytes;
	int r;

	if (link->broken)
		return kf_fail(err, KF_PROTOCOL, "an earlier frame did not go out whole");
	frame_bytes = kf_katapult_frame_encode(command, payload, len, frame);
	r = kf_serial_write(link->fd, frame, frame_bytes, deadline_ms);
	if (r < 0 && r != -EINTR)
		link->broken = true;
	return r < 0 ? kf_katapult_port_failed(r, err) : 0;
}

static void drop(struct kf_katapult_link *link, size_t bytes)
{
	link->rx_len -= bytes;
	memmove(link->rx, link->rx + bytes, link->rx_len);
}

/* A whole frame behind what only looked like the beginning of one. */
static bool find_behind(struct kf_katapult_link *link, struct kf_katapult_frame *ret)
{
	size_t skip;

	for (size_t at = 1; at < link->rx_len; at++) {
		if (kf_katapult_frame_decode(link->rx + at, link->rx_len - at, ret, &skip) > 0) {
			link->garbage += at;
			drop(link, at);
			return true;
		}
	}
	return false;
}

int kf_katapult_receive(struct kf_katapult_link *link, int64_t deadline_ms,
			struct kf_katapult_frame *ret)
{
	size_t skip;
	ssize_t got;
	int r;

	drop(link, link->rx_used);
	link->rx_used = 0;
	for (;;) {
		r = kf_katapult_frame_decode(link->rx, link->rx_len, ret, &skip);
		if (r == 0) {
			/* A frame is waited for only while it is shorter than half of rx. */
			got = kf_serial_read(link->fd, link->rx + link->rx_len,
					     sizeof(link->rx) - link->rx_len, deadline_ms);
			if (got > 0)
				link->rx_len += (size_t)got;
			else if (got != -ETIMEDOUT || !find_behind(link, ret))
				return (int)got;
			continue;
		}
		if (r > 0) {
			link->rx_used = (size_t)r;
			return 0;
		}
		link->garbage += skip;
		drop(link, skip);
		if (link->garbage > GARBAGE_MAX)
			return -EPROTO;
	}
}

uint32_t kf_katapult_acked(const struct kf_katapult_frame *frame)
{
	bool ack = frame->command == KF_KATAPULT_ACK && frame->payload_bytes >= 4;

	return ack ? kf_get_le32(frame->payload) : 0;
}

/* The acknowledgement that was taken just before, once more; else keep this one. */
static bool is_repeated(struct kf_katapult_link *link, const struct kf_katapult_frame *frame)
{
	uint32_t acked = kf_katapult_acked(frame);

	if ((acked != KF_KATAPULT_SEND_BLOCK && acked != KF_KATAPULT_REQUEST_BLOCK &&
	     acked != KF_KATAPULT_EOF) ||
	    frame->payload_bytes < sizeof(link->last))
		return false;
	if (memcmp(link->last, frame->payload, sizeof(link->last)) == 0)
		return true;
	memcpy(link->last, frame->payload, sizeof(link->last));
	return false;
}

int kf_katapult_wait_ack(struct kf_katapult_link *link, uint8_t command, int64_t deadline_ms,
			 struct kf_katapult_frame *ret, struct kf_error *err)
{
	uint32_t acked;
	int r;

	for (;;) {
		r = kf_katapult_receive(link, deadline_ms, ret);
		if (r < 0)
			return kf_katapult_port_failed(r, err);
		acked = kf_katapult_acked(ret);
		if (is_repeated(link, ret))
			continue;
		if (acked == command)
			return 0;
		if (acked != KF_KATAPULT_CONNECT || link->connects == 0)
			break;
		link->connects--; /* CONNECT was asked more than once: a late duplicate */
	}
	if (ret->command == KF_KATAPULT_BUSY)
		return 1;
	if (ret->command == KF_KATAPULT_ACK)
		return kf_fail(err, KF_PROTOCOL, "want ACK of %s, got ACK of 0x%02x",
			       kf_katapult_command_name(command), acked);
	return kf_fail(err, KF_PROTOCOL, "want ACK, got %s (0x%02x)",
		       kf_katapult_command_name(ret->command), ret->command);
}
