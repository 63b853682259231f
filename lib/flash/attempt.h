/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An attempt to write a board by one method, and what came of it. */
#ifndef KF_FLASH_ATTEMPT_H
#define KF_FLASH_ATTEMPT_H

#include "flash/plan.h"
#include "flash/progress.h"

struct kf_attempt {
	const struct kf_plan *plan;
	const struct kf_image *image;
	const struct kf_board *board; /* as it is now: in its bootloader */
	const struct kf_progress *progress;
	int64_t deadline_ms;
	/* The results, set also on failure */
	bool current;	   /* the flash had the image already: nothing was written */
	const char *begun; /* kf_mode_name of the bootloader that was sent the first block; NULL:
			      none was */
	bool sent_back;	   /* nothing was written, and it was told to start its firmware again */
	bool readback;	   /* every byte of the image was read back and is right */
	bool by_port;	   /* it was in its bootloader, without a serial number: it comes back as
			      Klipper on the same USB port */
};

#endif
