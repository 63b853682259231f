/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * This is linked into each program that is built with a sanitizer. The sanitizer's runtime has
 * 5 MB of variables, most of them zero, and its search for leaks reads all of them when the
 * program ends. In pages of 4 KiB that is more than 1000 page faults: the kernel is asked for
 * large pages.
 */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base.h"

extern char __bss_start[], _end[];

const char *__asan_default_options(void);

/* The runtime calls it before it uses the variables, and before its own checks work. */
__attribute__((no_sanitize("address", "undefined"))) const char *__asan_default_options(void)
{
	uintptr_t page = (uintptr_t)getpagesize();
	uintptr_t from = ((uintptr_t)__bss_start + page - 1) & ~(page - 1);

	IGNORE_RESULT(madvise((void *)from, (uintptr_t)_end - from, MADV_HUGEPAGE));
	return "";
}
