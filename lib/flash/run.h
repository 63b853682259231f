/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One board on its way from its plan to its result: flash.c moves it on, proof.c judges it. */
#ifndef KF_FLASH_RUN_H
#define KF_FLASH_RUN_H

#include "flash/attempt.h"

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

#endif
