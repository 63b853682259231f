/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Frames over a link, one after the other. What comes in is searched for frames; what goes out is
 * always a whole one, and nothing follows one that did not go out whole. "In words": a failure
 * fills err.
 */
#ifndef KF_KATAPULT_CHANNEL_H
#define KF_KATAPULT_CHANNEL_H

#include "katapult/frame.h"
#include "link/link.h"

struct kf_katapult_channel {
	struct kf_link *link; /* the caller's */
	bool broken;	      /* a frame did not go out whole: nothing is sent any more */
	unsigned connects;    /* answers to CONNECT that may still come; the sender counts them */
	uint8_t last[8];      /* how the acknowledgement began that was taken last */
	size_t garbage;	      /* bytes so far that were no frame's */
	size_t rx_len, rx_used;
	uint8_t rx[2 * KF_KATAPULT_FRAME_MAX];
};

/* Start anew, without what is still in the link's input. In words. */
_must_check_ int kf_katapult_channel_open(struct kf_katapult_channel *channel, struct kf_link *link,
					  struct kf_error *err);

/*
 * -EPROTO: an earlier frame did not go out whole, nothing was sent. Else as kf_link_send. In words.
 */
_must_check_ int kf_katapult_channel_send(struct kf_katapult_channel *channel, uint8_t command,
					  const void *payload, size_t len, int64_t deadline_ms,
					  struct kf_error *err);

/*
 * The next frame, whatever it says; its payload is good until the next call. Garbage is
 * skipped. Errors as kf_link_receive, and -EPROTO (nothing but garbage), without words.
 */
_must_check_ int kf_katapult_channel_receive(struct kf_katapult_channel *channel,
					     int64_t deadline_ms, struct kf_katapult_frame *ret);

/*
 * The acknowledgement of command: 0 and *ret, 1 (busy: ask again), -EPROTO (any other
 * answer), or as above, in words. Late answers to CONNECT are dropped, and a
 * block's or EOF's that comes twice: neither is asked for twice in a row.
 */
_must_check_ int kf_katapult_channel_ack(struct kf_katapult_channel *channel, uint8_t command,
					 int64_t deadline_ms, struct kf_katapult_frame *ret,
					 struct kf_error *err);

/*
 * Have so many bytes of the next frame come? It has to begin with want. 1: yes; 0: something else
 * came, or too little until deadline_ms: receive it; or as kf_link_receive, without words.
 */
_must_check_ int kf_katapult_channel_begun(struct kf_katapult_channel *channel, const uint8_t *want,
					   size_t want_bytes, size_t bytes, int64_t deadline_ms);

/* Drop what comes until nothing has come for quiet_ms. An error shows at the next call. */
void kf_katapult_channel_settle(struct kf_katapult_channel *channel, int64_t quiet_ms);

/* The words for an error without: kf_link_failed, and -EPROTO. */
int kf_katapult_channel_failed(struct kf_katapult_channel *channel, int r, struct kf_error *err);

#endif
