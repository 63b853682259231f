/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An attempt to write a board by one method, and what came of it. */
#ifndef KF_FLASH_ATTEMPT_H
#define KF_FLASH_ATTEMPT_H

#include "flash/plan.h"
#include "flash/progress.h"
#include "usb/monitor.h"

struct kf_attempt {
	enum kf_method method;
	const struct kf_plan *plan;
	const struct kf_image *image;
	const struct kf_board *board; /* as it is now */
	const struct kf_progress *progress;
	struct kf_monitor *monitor; /* opened before anything is sent to the board */
	int64_t deadline_ms;
	/* The results, set also on failure */
	bool current;	   /* the flash had the image already: nothing was written */
	const char *begun; /* kf_mode_name of the bootloader that was sent the first block, or
			      KF_LAST_FLASH_SDCARD; NULL: none was */
	bool sent_back;	   /* nothing was written, and it was told to start its firmware again */
	bool readback;	   /* every byte of the image was read back and is right */
	/* Waits for the board's return; NULL: its wire's come_back (wire.h) does. */
	int (*come_back)(struct kf_monitor *monitor, const struct kf_board *board,
			 int64_t deadline_ms, struct kf_board *ret, struct kf_error *err);
};

#endif
