/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A link to one node of a CAN bus: frames go in pieces of 8 bytes to the node's id, one request at
 * a time, because what a node has no room for is lost. When kf_link_receive finds that somebody
 * took the id from the node, it says so at once (-EADDRINUSE): the node drops what it has received
 * by then.
 */
#ifndef KF_LINK_CAN_LINK_H
#define KF_LINK_CAN_LINK_H

#include "link/can.h"
#include "link/link.h"

/*
 * A link to one node: an id is chosen that nobody on this host listens to and nobody was seen to
 * use, and kf_link_attach gives it to the node if it runs this application. Nothing is sent before.
 * KF_CAN_BUS, KF_BUSY (no id is free), KF_PERMISSION. The bus may be closed before the link.
 */
_must_check_ int kf_link_can_open(struct kf_can *can, const uint8_t uuid[KF_CAN_UUID_BYTES],
				  enum kf_can_application application, struct kf_link *ret,
				  struct kf_error *err);

/* For tests: a link with this id over a socket of packets, each a struct can_frame. */
void kf_link_can_from_fd(int fd, const uint8_t uuid[KF_CAN_UUID_BYTES],
			 enum kf_can_application application, uint8_t id, struct kf_link *ret);

#endif
