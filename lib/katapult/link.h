/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Katapult's frames over a port: one frame a write(2), nothing after a frame that did not
 * go out whole, and every answer matched with what was asked. Used by session.c alone.
 */
#ifndef KF_KATAPULT_LINK_H
#define KF_KATAPULT_LINK_H

#include "core/error.h"
#include "katapult/frame.h"

struct kf_katapult_link {
	int fd;		   /* the caller's */
	bool broken;	   /* a frame did not go out whole */
	unsigned connects; /* answers to CONNECT that may still come */
	uint8_t last[8];   /* how the acknowledgement began that was taken last */
	size_t garbage;	   /* bytes so far that were no frame's */
	size_t rx_len, rx_used;
	uint8_t rx[2 * KF_KATAPULT_FRAME_MAX];
};

/* Start anew on fd, without what is still in its input. -ENODEV, -EINTR, -EPROTO (endless input) */
_must_check_ int kf_katapult_link_open(struct kf_katapult_link *link, int fd, struct kf_error *err);

/* Errors as kf_serial_write, in words. -EPROTO: the link is broken, nothing was written. */
_must_check_ int kf_katapult_send(struct kf_katapult_link *link, uint8_t command,
				  const void *payload, size_t len, int64_t deadline_ms,
				  struct kf_error *err);

/*
 * The next frame, whatever it says; its payload is good until the next call. Garbage is
 * skipped. Errors as kf_serial_read, and -EPROTO (nothing but garbage), without words.
 */
_must_check_ int kf_katapult_receive(struct kf_katapult_link *link, int64_t deadline_ms,
				     struct kf_katapult_frame *ret);

/*
 * The acknowledgement of command: 0 and *ret, 1 (busy: ask again), -EPROTO (any other
 * answer), or as kf_katapult_receive, in words. Late answers to CONNECT are dropped, and a
 * block's or EOF's that comes twice: neither is asked for twice in a row.
 */
_must_check_ int kf_katapult_wait_ack(struct kf_katapult_link *link, uint8_t command,
				      int64_t deadline_ms, struct kf_katapult_frame *ret,
				      struct kf_error *err);

/* The command that frame acknowledges; 0 if it is no acknowledgement. */
uint32_t kf_katapult_acked(const struct kf_katapult_frame *frame);

/* Fills err for a negative errno of the port, and returns it. */
int kf_katapult_port_failed(int r, struct kf_error *err);

/* "SEND_BLOCK", "NACK" ... */
const char *kf_katapult_command_name(uint8_t command);

#endif
