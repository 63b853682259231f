/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Proves that a board runs an image. The proof comes from the board: it is back as Klipper, it is
 * the same chip, and it says that it runs the image's version. If its bytes were not read back,
 * that proves it only if it ran another version before.
 */
#ifndef KF_FLASH_PROOF_H
#define KF_FLASH_PROOF_H

#include "flash/attempt.h"

/* One board on its way from its plan to its result: flash.c moves it on, proof.c judges it. */
struct kf_run {
	int64_t t0_ms;
	const struct kf_plan *plan;
	const struct kf_progress *progress;
	struct kf_monitor *monitor;
	struct kf_board board;	    /* as it was seen last */
	json_t *flash;		    /* the record's member, growing */
	struct kf_attempt attempt;  /* of the last attempt */
	char version[KF_NAME_SIZE]; /* that the board reported last; empty: none */
	char before[KF_NAME_SIZE];  /* the version that it reported before the first attempt */
	bool slow;		    /* the last attempt ended because its time was over */
	bool pending;		    /* the image is on its SD card, and does not run yet */
};

/*
 * Does the board, or the Klippy that has its port, say that it runs the version of a plan that is
 * current? False where neither can be asked.
 */
bool kf_proof_confirm(const struct kf_plan *plan);

/*
 * Before the first attempt: record the version that the board or its Klippy reports, else the one
 * in our notes. Nothing is an error but KF_AMBIGUOUS: two boards answer, and only one was meant.
 */
_must_check_ int kf_proof_before(struct kf_run *run, struct kf_error *err);

/*
 * Do our notes and the board, or the Klippy that drives it, agree that there is nothing to do?
 * kf_proof_before is done.
 */
bool kf_proof_current(struct kf_run *run);

/*
 * The board is written by run->attempt, perhaps: is it back, and what does it run? 0 also where
 * run->pending is set. KF_LEFT_IN_BOOTLOADER, KF_GONE, KF_UNVERIFIED, KF_WRONG_VERSION,
 * KF_INTERRUPTED.
 */
_must_check_ int kf_proof_after(struct kf_run *run, struct kf_error *err);

/*
 * The exit status of another program proves nothing (field-notes.md, "Outcome"). If the program
 * failed, the board still counts as flashed if it runs the image's version and did not before.
 */
bool kf_proof_despite(struct kf_run *run);

/* Add a word ("identify") to the proofs in the record. */
void kf_proof_add(struct kf_run *run, const char *how);

#endif
