/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Frames over a CAN socket (Linux Documentation/networking/can.rst). A test's AF_UNIX socket of
 * packets that are each a struct can_frame does too.
 */
#ifndef KF_LINK_CAN_SOCKET_H
#define KF_LINK_CAN_SOCKET_H

#include <linux/can.h>

#include "core/base.h"

/* A non-blocking socket of one interface that takes what the filters let through. -errno */
_must_check_ int kf_can_socket(const char *interface, const struct can_filter *filters,
			       size_t count, int *ret);

/*
 * Send len bytes to an id, 8 a frame. The kernel gets as many frames at once as its queue takes:
 * what it has taken goes out even if this process ends. -EINTR never: once the first frame is out,
 * only the deadline ends it. -ENOBUFS (the interface's queue stays full), -ETIMEDOUT, -ENETDOWN,
 * -ENODEV, -errno.
 */
_must_check_ int kf_can_socket_send(int fd, uint32_t id, const void *data, size_t len,
				    int64_t deadline_ms);

/*
 * The next data frame with an 11-bit id. -ETIMEDOUT, -EINTR, -ECOMM (bus-off), -ENETDOWN, -ENODEV
 * (the interface, or a test's other end, has left), -errno. A deadline in the past: what is there.
 */
_must_check_ int kf_can_socket_receive(int fd, struct can_frame *ret, int64_t deadline_ms);

#endif
