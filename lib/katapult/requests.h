/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Many requests of one kind, several of them in flight where that is safe. Used by session.c
 * alone.
 */
#ifndef KF_KATAPULT_REQUESTS_H
#define KF_KATAPULT_REQUESTS_H

#include "katapult/session.h"

#define KF_KATAPULT_BLOCK_MAX 512

struct kf_katapult_requests {
	struct kf_katapult *k;
	uint8_t command;
	size_t count;
	/* Is this the answer to request i? Else an error that says why. */
	int (*answer)(const struct kf_katapult_requests *q, size_t i,
		      const struct kf_katapult_frame *frame, struct kf_error *err);
	/* SEND_BLOCK and REQUEST_BLOCK */
	const uint8_t *data;
	size_t len;
	kf_katapult_progress *progress;
	void *arg;
};

/*
 * Ask all, in order. Where several are in flight and an answer is missing or says busy, all
 * starts over with one in flight. Whatever is answered with KF_VERIFY_FAILED, nothing is in flight
 * afterwards.
 */
_must_check_ int kf_katapult_ask(const struct kf_katapult_requests *q, struct kf_error *err);

/*
 * How many requests of this command may be unanswered: as many as the board has room for the
 * answers to. 1 unless the port is known to be USB.
 */
size_t kf_katapult_window(const struct kf_katapult *k, uint8_t command);

uint32_t kf_katapult_block_address(const struct kf_katapult_requests *q, size_t i);

/* Block i as it goes out: k->block_bytes of it, padded. */
void kf_katapult_block_fill(const struct kf_katapult_requests *q, size_t i,
			    uint8_t ret[KF_KATAPULT_BLOCK_MAX]);

/* ms from now, but not after the end of the whole conversation. */
int64_t kf_katapult_deadline(const struct kf_katapult *k, int64_t ms);

#endif
