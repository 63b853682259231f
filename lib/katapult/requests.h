/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Many requests of one kind, several of them in flight where that is safe. Used by session.c
 * alone.
 */
#ifndef KF_KATAPULT_REQUESTS_H
#define KF_KATAPULT_REQUESTS_H

#include "katapult/session.h"

#define KF_KATAPULT_BLOCK_MAX 512

/*
 * In which order blocks are sent. With first 0: as they lie. Else the image spans several pages,
 * and a power loss is to end in the bootloader: a unit that strikes out the application's first
 * word, then all pages but the first, then that one.
 */
struct kf_katapult_order {
	size_t blocks; /* of the image, up to a whole unit */
	size_t first;  /* blocks in the first page */
	size_t unit;   /* after so many blocks another address may follow; 0: after each */
};

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
	struct kf_katapult_order order;
	kf_katapult_progress *progress;
	void *arg;
};

/*
 * Ask all, in order. Where several are in flight and an answer is missing or says busy, all
 * starts over with one in flight. Whatever is answered with KF_VERIFY_FAILED, nothing is in flight
 * afterwards. A stop signal ends it (-EINTR) where the board can take another conversation: behind
 * a whole unit, and what is in flight is waited for, but not for long.
 */
_must_check_ int kf_katapult_ask(const struct kf_katapult_requests *q, struct kf_error *err);

/*
 * How many requests of this command may be unanswered: as many as the board has room for the
 * answers to. 1 unless the port is known to be USB.
 */
size_t kf_katapult_window(const struct kf_katapult *k, uint8_t command);

/* Of request i. */
uint32_t kf_katapult_block_address(const struct kf_katapult_requests *q, size_t i);

/* What request i writes or reads: k->block_bytes of it, padded. */
void kf_katapult_block_fill(const struct kf_katapult_requests *q, size_t i,
			    uint8_t ret[KF_KATAPULT_BLOCK_MAX]);

/* ms from now, but not after the end of the whole conversation. */
int64_t kf_katapult_deadline(const struct kf_katapult *k, int64_t ms);

#endif
