/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One kf-flash at a time on a board, of all users, from before its plan until its service runs
 * again. The lock is a flock(2) in sysfs: on the hub's port, which stays while a board changes its
 * mode there, on the network interface of a CAN bus, or on the UART; of a bridge on its port and
 * its bus. The kf-service that kf-flash becomes keeps the lock, and the kf-flash below it inherits
 * it.
 */
#ifndef KF_FLASH_BOARD_LOCK_H
#define KF_FLASH_BOARD_LOCK_H

#include "board/board.h"

struct kf_board_locks {
	const char *tool; /* the tool of the errors in the records */
	/* waits: other ("another kf-flash (process 12)") has locked the board, and we wait. failed:
	 * the board could not be locked. */
	void (*waits)(const struct kf_board *board, const char *other);
	void (*failed)(const struct kf_board *board, const struct kf_error *err);
	int *fds;
	size_t count;
};

/*
 * Lock the board of each record (a JSON array) that may be flashed, waiting until deadline_ms for
 * other processes to end. A board that stays locked gets KF_BUSY in its record. Fails only if there
 * is no memory, if a record is not valid, or with KF_INTERRUPTED. The caller frees the locks.
 */
_must_check_ int kf_board_locks_take(struct kf_board_locks *locks, json_t *records,
				     int64_t deadline_ms, struct kf_error *err);

/* Let the locks outlive the coming exec. */
_must_check_ int kf_board_locks_keep(const struct kf_board_locks *locks, struct kf_error *err);
void kf_board_locks_free(struct kf_board_locks *locks);

#endif
