/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "katapult/channel.h"

#define GARBAGE_MAX 65536 /* bytes; who says more than that without a frame is no board */

int kf_katapult_channel_failed(struct kf_katapult_channel *channel, int r, struct kf_error *err)
{
	if (r == -EPROTO)
		return kf_fail(err, KF_PROTOCOL, "the answer is not from Katapult");
	return kf_link_failed(channel->link, r, err);
}

int kf_katapult_channel_open(struct kf_katapult_channel *channel, struct kf_link *link,
			     struct kf_error *err)
{
	size_t total = 0;
	ssize_t got;

	memset(channel, 0, sizeof(*channel));
	channel->link = link;
	do {
		got = kf_link_receive(link, channel->rx, sizeof(channel->rx), 0);
		total += got > 0 ? (size_t)got : 0;
	} while (got > 0 && total <= GARBAGE_MAX);
	if (got > 0)
		got = -EPROTO;
	return got == -ETIMEDOUT ? 0 : kf_katapult_channel_failed(channel, (int)got, err);
}

int kf_katapult_channel_send(struct kf_katapult_channel *channel, uint8_t command,
			     const void *payload, size_t len, int64_t deadline_ms,
			     struct kf_error *err)
{
	uint8_t frame[KF_KATAPULT_FRAME_MAX];
	size_t frame_bytes;
	int r;

	if (channel->broken)
		return kf_fail(err, KF_PROTOCOL, "an earlier frame did not go out whole");
	frame_bytes = kf_katapult_frame_encode(command, payload, len, frame);
	r = kf_link_send(channel->link, frame, frame_bytes, deadline_ms);
	if (r < 0 && r != -EINTR)
		channel->broken = true;
	return r < 0 ? kf_katapult_channel_failed(channel, r, err) : 0;
}

static void drop(struct kf_katapult_channel *channel, size_t bytes)
{
	channel->rx_len -= bytes;
	memmove(channel->rx, channel->rx + bytes, channel->rx_len);
}

/* Search for a whole frame behind bytes that looked like the beginning of another. */
static bool find_behind(struct kf_katapult_channel *channel, struct kf_katapult_frame *ret)
{
	size_t skip;

	for (size_t at = 1; at < channel->rx_len; at++) {
		if (kf_katapult_frame_decode(channel->rx + at, channel->rx_len - at, ret, &skip) >
		    0) {
			channel->garbage += at;
			drop(channel, at);
			return true;
		}
	}
	return false;
}

int kf_katapult_channel_receive(struct kf_katapult_channel *channel, int64_t deadline_ms,
				struct kf_katapult_frame *ret)
{
	size_t skip;
	ssize_t got;
	int r;

	drop(channel, channel->rx_used);
	channel->rx_used = 0;
	for (;;) {
		r = kf_katapult_frame_decode(channel->rx, channel->rx_len, ret, &skip);
		if (r == 0) {
			/* A frame is waited for only while it is shorter than half of rx. */
			got = kf_link_receive(channel->link, channel->rx + channel->rx_len,
					      sizeof(channel->rx) - channel->rx_len, deadline_ms);
			if (got > 0)
				channel->rx_len += (size_t)got;
			else if (got != -ETIMEDOUT || !find_behind(channel, ret))
				return (int)got;
			continue;
		}
		if (r > 0) {
			channel->rx_used = (size_t)r;
			return 0;
		}
		channel->garbage += skip;
		drop(channel, skip);
		if (channel->garbage > GARBAGE_MAX)
			return -EPROTO;
	}
}

/* Is it the acknowledgement that was taken last, sent twice? If not, this one is kept. */
static bool is_repeated(struct kf_katapult_channel *channel, const struct kf_katapult_frame *frame)
{
	uint32_t acked = kf_katapult_acked(frame);

	if ((acked != KF_KATAPULT_SEND_BLOCK && acked != KF_KATAPULT_REQUEST_BLOCK &&
	     acked != KF_KATAPULT_EOF) ||
	    frame->payload_bytes < sizeof(channel->last))
		return false;
	if (memcmp(channel->last, frame->payload, sizeof(channel->last)) == 0)
		return true;
	memcpy(channel->last, frame->payload, sizeof(channel->last));
	return false;
}

int kf_katapult_channel_ack(struct kf_katapult_channel *channel, uint8_t command,
			    int64_t deadline_ms, struct kf_katapult_frame *ret,
			    struct kf_error *err)
{
	uint32_t acked;
	int r;

	for (;;) {
		r = kf_katapult_channel_receive(channel, deadline_ms, ret);
		if (r < 0)
			return kf_katapult_channel_failed(channel, r, err);
		acked = kf_katapult_acked(ret);
		if (is_repeated(channel, ret))
			continue;
		if (acked == command)
			return 0;
		if (acked != KF_KATAPULT_CONNECT || channel->connects == 0)
			break;
		channel->connects--; /* CONNECT was asked more than once: a late duplicate */
	}
	if (ret->command == KF_KATAPULT_BUSY)
		return 1;
	if (ret->command == KF_KATAPULT_ACK)
		return kf_fail(err, KF_PROTOCOL, "want ACK of %s, got ACK of 0x%02x",
			       kf_katapult_command_name(command), acked);
	return kf_fail(err, KF_PROTOCOL, "want ACK, got %s (0x%02x)",
		       kf_katapult_command_name(ret->command), ret->command);
}

void kf_katapult_channel_settle(struct kf_katapult_channel *channel, int64_t quiet_ms)
{
	size_t total = 0;
	ssize_t got;

	channel->rx_len = channel->rx_used = 0;
	do {
		got = kf_link_receive(channel->link, channel->rx, sizeof(channel->rx),
				      kf_now_ms() + quiet_ms);
		total += got > 0 ? (size_t)got : 0;
	} while (got > 0 && total <= GARBAGE_MAX);
}

int kf_katapult_channel_begun(struct kf_katapult_channel *channel, const uint8_t *want,
			      size_t want_bytes, size_t bytes, int64_t deadline_ms)
{
	ssize_t got;
	size_t known;

	drop(channel, channel->rx_used);
	channel->rx_used = 0;
	for (;;) {
		known = channel->rx_len < want_bytes ? channel->rx_len : want_bytes;
		if (memcmp(channel->rx, want, known) != 0)
			return 0;
		if (channel->rx_len >= bytes)
			return 1;
		got = kf_link_receive(channel->link, channel->rx + channel->rx_len,
				      sizeof(channel->rx) - channel->rx_len, deadline_ms);
		if (got < 0)
			return got == -ETIMEDOUT ? 0 : (int)got;
		channel->rx_len += (size_t)got;
	}
}
