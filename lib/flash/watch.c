/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Formats, so that callers of kf_watch_step need not. */
#include <stdarg.h>

#include "flash/watch.h"

void kf_watch_step(const struct kf_watch *watch, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	watch->step(watch->arg, text);
}
