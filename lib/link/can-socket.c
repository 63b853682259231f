/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <linux/can/error.h>
#include <linux/can/raw.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/clock.h"
#include "link/can-socket.h"

#define AT_ONCE 64 /* frames */

int kf_can_socket(const char *interface, const struct can_filter *filters, size_t count, int *ret)
{
	_cleanup_(kf_closep) int fd = -1;
	const can_err_mask_t errors = CAN_ERR_BUSOFF;
	struct sockaddr_can address = { .can_family = AF_CAN };

	fd = socket(PF_CAN, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, CAN_RAW);
	if (fd < 0)
		return -errno;
	address.can_ifindex = (int)if_nametoindex(interface);
	if (address.can_ifindex == 0)
		return -ENODEV;
	if (setsockopt(fd, SOL_CAN_RAW, CAN_RAW_FILTER, filters,
		       (socklen_t)(count * sizeof(*filters))) < 0 ||
	    setsockopt(fd, SOL_CAN_RAW, CAN_RAW_ERR_FILTER, &errors, sizeof(errors)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*ret = TAKE_FD(fd);
	return 0;
}

static size_t pack(uint32_t id, const uint8_t *data, size_t len, struct can_frame *ret)
{
	size_t count = 0;

	for (size_t at = 0; at < len && count < AT_ONCE; at += CAN_MAX_DLEN) {
		struct can_frame *frame = &ret[count++];
		size_t left = len - at;

		memset(frame, 0, sizeof(*frame));
		frame->can_id = id;
		frame->can_dlc = (uint8_t)(left < CAN_MAX_DLEN ? left : CAN_MAX_DLEN);
		memcpy(frame->data, data + at, frame->can_dlc);
	}
	return count;
}

/*
 * Nothing tells when a full queue has room: the socket stays writable all the while. A frame is on
 * the wire for a tenth of a millisecond at least.
 */
static int wait_for_room(int fd, int why, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = fd, .events = why == ENOBUFS ? 0 : POLLOUT };
	int64_t now_ms = kf_now_ms();
	int n;

	if (now_ms >= deadline_ms)
		return why == ENOBUFS ? -ENOBUFS : -ETIMEDOUT;
	n = kf_wait_through(&pfd, 1, why == ENOBUFS ? now_ms + 1 : deadline_ms);
	return n < 0 ? n : n > 0 && (pfd.revents & POLLHUP) ? -ENODEV : 0;
}

static int translate(int errnum)
{
	return errnum == ENXIO || errnum == EPIPE || errnum == ECONNRESET ? -ENODEV : -errnum;
}

/* Send all of these frames. */
static int send_frames(int fd, struct can_frame *frames, size_t count, int64_t deadline_ms)
{
	struct mmsghdr messages[AT_ONCE] = { 0 };
	struct iovec parts[AT_ONCE];
	size_t sent = 0;
	int n, r = 0;

	for (size_t i = 0; i < count; i++) {
		parts[i] = (struct iovec){ &frames[i], sizeof(frames[i]) };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (r == 0 && sent < count) {
		n = sendmmsg(fd, messages + sent, (unsigned)(count - sent),
			     MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		else if (n < 0 && (errno == ENOBUFS || errno == EAGAIN))
			r = wait_for_room(fd, errno, deadline_ms);
		else if (n < 0 && errno != EINTR)
			r = translate(errno);
	}
	return r;
}

int kf_can_socket_send(int fd, uint32_t id, const void *data, size_t len, int64_t deadline_ms)
{
	struct can_frame frames[AT_ONCE];
	const uint8_t *p = data;
	size_t count;
	int r = 0;

	for (size_t at = 0; r == 0 && at < len; at += count * CAN_MAX_DLEN) {
		count = pack(id, p + at, len - at, frames);
		r = send_frames(fd, frames, count, deadline_ms);
	}
	return r;
}

int kf_can_socket_receive(int fd, struct can_frame *ret, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t got;
	int n;

	for (;;) {
		got = recv(fd, ret, sizeof(*ret), MSG_DONTWAIT);
		if (got == 0)
			return -ENODEV;
		if (got < 0 && errno == EAGAIN) {
			n = kf_wait(&pfd, 1, deadline_ms);
			if (n <= 0)
				return n < 0 ? n : -ETIMEDOUT;
			continue;
		}
		if (got < 0 && errno != EINTR)
			return translate(errno);
		if (got != sizeof(*ret))
			continue;
		if (ret->can_id & CAN_ERR_FLAG && ret->can_id & CAN_ERR_BUSOFF)
			return -ECOMM;
		if (ret->can_id <= CAN_SFF_MASK && ret->can_dlc <= CAN_MAX_DLEN)
			return 0;
	}
}
