/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A second process that sends our frames: what it was given goes out whole, even if we are killed.
 * Katapult is wedged by half a frame until its next reset. The kernel cannot do it for us: its
 * queue takes what fits, the rest is sent later, and by then we may be dead.
 */
#ifndef KF_LINK_CAN_SENDER_H
#define KF_LINK_CAN_SENDER_H

#include "link/drain.h"

/* Start it for the CAN socket fd, which stays the caller's. drain->port is not used. */
_must_check_ int kf_can_sender_start(int fd, struct kf_drain *ret, struct kf_error *err);

/*
 * Have it send len bytes to id, and wait for that. Errors as kf_can_socket_send, and -EPIPE: the
 * process was killed. No stop signal ends it.
 */
_must_check_ int kf_can_sender_send(struct kf_drain *sender, uint32_t id, const void *data,
				    size_t len, int64_t deadline_ms);

/* End it, if it runs: nothing is on its way. */
void kf_can_sender_endp(struct kf_drain *sender);

#endif
