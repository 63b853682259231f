/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A flash reports its steps and its progress to its caller: lib itself prints nothing. */
#ifndef KF_FLASH_PROGRESS_H
#define KF_FLASH_PROGRESS_H

#include "core/base.h"

struct kf_progress {
	/* A step begins; text is a short phrase: "entering Katapult". */
	void (*step)(void *arg, const char *text);
	/* bytes done of total; what is "writing" or "reading back". */
	void (*progress)(void *arg, const char *what, size_t done, size_t total);
	void *arg;
};

/* A part of a flash: what is "writing" or "reading back". */
struct kf_progress_part {
	const struct kf_progress *progress;
	const char *what;
};

/* Report progress of a part, which is arg: for those who know no parts. */
void kf_progress_show(size_t done, size_t total, void *arg);

void kf_progress_step(const struct kf_progress *progress, const char *fmt, ...) _printf_(2, 3);

#endif
