/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A CAN bus with Klipper and Katapult nodes on it: SocketCAN, classic frames, 11-bit ids.
 *
 * Requests to all nodes go to 0x3f0, their answers come from 0x3f1 (Klipper
 * docs/CANBUS_protocol.md; Katapult src/generic/canserial.c). Node id N receives at 2*N+0x100 and
 * sends from that +1. Nobody holds a bus exclusively: whatever is sent here, only the named node
 * may notice.
 */
#ifndef KF_LINK_CAN_H
#define KF_LINK_CAN_H

#include "board/can-uuid.h"
#include "core/error.h"

#define KF_CAN_ADMIN	    0x3f0
#define KF_CAN_ADMIN_ANSWER 0x3f1

/* The program on a node. The value is the command that gives it an id, and ends its answer. */
enum kf_can_application {
	KF_CAN_KLIPPER = 0x01,
	KF_CAN_KATAPULT = 0x11,
};

struct kf_can {
	int fd;
	char interface[16];
	uint8_t used[32]; /* a bit for each node id that was seen in a frame */
};

#define KF_CAN_NONE                                                                                \
	{                                                                                          \
		.fd = -1                                                                           \
	}

struct kf_can_node {
	uint8_t uuid[KF_CAN_UUID_BYTES];
	enum kf_can_application application;
};

/*
 * Open a bus and listen; nothing is sent. KF_NOT_CONNECTED: there is no such interface, or it is no
 * CAN interface; KF_CAN_BUS: it is down or bus-off; KF_CONFIG: this kernel has no CAN;
 * KF_PERMISSION.
 */
_must_check_ int kf_can_open(const char *interface, struct kf_can *ret, struct kf_error *err);

/* For tests: a bus that is a socket of packets, each a struct can_frame. It is closed here. */
void kf_can_from_fd(int fd, struct kf_can *ret);

void kf_can_closep(struct kf_can *can);

/*
 * "00": ask all nodes that have no id, and take their answers until deadline_ms, at most size of
 * them. Two entries of one UUID are two nodes. All nodes of the bus answer at once: only where the
 * user asks for it, or to explain a failure. Returns how many; -EINTR, KF_CAN_BUS (also if none
 * answers on an interface that is error-passive) and others.
 */
_must_check_ int kf_can_query(struct kf_can *can, int64_t deadline_ms, struct kf_can_node *ret,
			      size_t size, struct kf_error *err);

/*
 * The frames of others that have come by now: which node ids they use. A caller that keeps a bus
 * open for long calls it now and then, for the kernel keeps some hundred frames at most.
 */
void kf_can_note_used(struct kf_can *can);

/* "02": the node leaves Klipper for its bootloader, whether or not it has an id. Unanswered. */
_must_check_ int kf_can_enter(struct kf_can *can, const uint8_t uuid[KF_CAN_UUID_BYTES],
			      int64_t deadline_ms, struct kf_error *err);

#endif
