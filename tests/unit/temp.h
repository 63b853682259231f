/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A folder for one test program, removed when it ends. */
#ifndef TESTS_UNIT_TEMP_H
#define TESTS_UNIT_TEMP_H

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"

static char temp_dir[PATH_MAX];
static pid_t temp_owner;

static inline void temp_remove(void)
{
	struct kf_error err;

	if (getpid() == temp_owner && kf_dir_remove(temp_dir, &err) < 0)
		printf("# %s\n", err.message);
}

/* The path of name in it; four of them are valid at a time. "": the folder itself. */
static inline const char *temp_path(const char *name)
{
	static char path[4][PATH_MAX];
	static unsigned turn;
	const char *base = getenv("TMPDIR");
	char *ret = path[turn++ % 4];

	if (!temp_dir[0]) {
		kf_text_format(temp_dir, sizeof(temp_dir), "%s/kf-test.XXXXXX",
			       base ? base : "/tmp");
		if (!mkdtemp(temp_dir))
			abort();
		temp_owner = getpid();
		atexit(temp_remove);
	}
	if (!kf_text_format(ret, PATH_MAX, "%s%s%s", temp_dir, name[0] ? "/" : "", name))
		abort();
	return ret;
}

#endif
