/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Formats, so that callers of kf_progress_step need not. */
#include <stdarg.h>

#include "flash/progress.h"

void kf_progress_show(size_t done, size_t total, void *arg)
{
	const struct kf_progress_part *part = arg;

	part->progress->progress(part->progress->arg, part->what, done, total);
}

void kf_progress_step(const struct kf_progress *progress, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	progress->step(progress->arg, text);
}
