/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The entry point of libFuzzer, and a file for functions that read one. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A check that holds whatever the input. */
#define ALWAYS(cond)                                                                               \
	do {                                                                                       \
		if (!(cond))                                                                       \
			__builtin_trap();                                                          \
	} while (0)

/* Clean as every string must be that comes out of hostile bytes. */
static inline bool fuzz_clean(const char *text, size_t size)
{
	char again[8192];

	return strnlen(text, size) < size &&
	       kf_text_clean(again, sizeof(again), text, strlen(text));
}

/* The path of a file (in memory) with these bytes. */
static inline const char *fuzz_file(const uint8_t *data, size_t len)
{
	static char path[32];
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("input", MFD_CLOEXEC);
		kf_text_format(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	ALWAYS(fd >= 0 && ftruncate(fd, 0) == 0);
	ALWAYS(pwrite(fd, data, len, 0) == (ssize_t)len);
	return path;
}

#endif
