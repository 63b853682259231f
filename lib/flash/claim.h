/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One kf-flash at a time on a board, from before its plan until its service runs again. A claim
 * is a lock by the USB port, which a board keeps in all of its modes: a file of this user's, that
 * says who has it, and the port itself in sysfs, for all users. The kf-service that kf-flash
 * becomes keeps the claims, and the kf-flash below it knows its parent's.
 */
#ifndef KF_FLASH_CLAIM_H
#define KF_FLASH_CLAIM_H

#include "core/board.h"

struct kf_claims {
	const char *tool; /* whose errors they are in the records */
	/* Another ("process 12") has this board, and is waited for; and: a board cannot be had. */
	void (*waits)(const struct kf_board *board, const char *other);
	void (*failed)(const struct kf_board *board, const struct kf_error *err);
	int *fds;
	size_t count;
};

/*
 * Claim the board of each record (a JSON array) that may be flashed, waiting until deadline_ms
 * for others to end. A board that stays another's gets KF_BUSY in its record. Fails only for want
 * of memory, for records that are none, or with KF_INTERRUPTED. The caller frees the claims.
 */
_must_check_ int kf_claims_take(struct kf_claims *claims, json_t *records, int64_t deadline_ms,
				struct kf_error *err);

/* Let the claims outlive the coming exec. */
_must_check_ int kf_claims_keep(const struct kf_claims *claims, struct kf_error *err);
void kf_claims_free(struct kf_claims *claims);

#endif
