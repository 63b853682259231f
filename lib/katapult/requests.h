/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Requests of one command, answered in order, at most a window of them unanswered. */
#ifndef KF_KATAPULT_REQUESTS_H
#define KF_KATAPULT_REQUESTS_H

#include "katapult/blocks.h"
#include "katapult/channel.h"

/* bytes done of total; called after each acknowledged block. */
typedef void kf_katapult_progress(size_t done, size_t total, void *arg);

struct kf_katapult_requests {
	struct kf_katapult_channel *channel;
	int64_t deadline_ms; /* of the whole conversation */
	uint8_t command;
	struct kf_katapult_blocks
		blocks; /* their count; for SEND_BLOCK and REQUEST_BLOCK the rest too */
	/* Is this the answer to request i? Else an error that says why. */
	int (*answer)(const struct kf_katapult_requests *q, size_t i,
		      const struct kf_katapult_frame *frame, struct kf_error *err);
	kf_katapult_progress *progress; /* or NULL */
	void *arg;			/* for progress, or for answer */
};

/*
 * Ask all, in order. Where several are in flight and an answer is missing or says busy, all
 * starts over with one in flight. Whatever is answered with KF_VERIFY_FAILED, nothing is in flight
 * afterwards. A stop signal ends it (-EINTR) where the board can take another conversation: behind
 * a whole unit, and what is in flight is waited for, but not for long. Errors as session.h has
 * them, with the block or the command in front.
 */
_must_check_ int kf_katapult_request_all(const struct kf_katapult_requests *q,
					 struct kf_error *err);

/*
 * How many requests of this command may be unanswered: as many as the board has room for the
 * answers to. 1 where a link does not hold requests back.
 */
size_t kf_katapult_window(const struct kf_katapult_channel *channel, uint32_t block_bytes,
			  uint8_t command);

#endif
