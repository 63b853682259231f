/* SPDX-License-Identifier: GPL-3.0-or-later */
/* "good" or "bad" for each line of standard input: what record.c says of it (tests/record.bats). */
#include <string.h>

#include "board/record.h"

static bool good(char *line, size_t len)
{
	_cleanup_(kf_json_decrefp) json_t *record = NULL;
	_cleanup_(kf_fclosep) FILE *in = fmemopen(line, len, "r");
	struct kf_reader reader = { .in = in };
	struct kf_error err;

	return in && kf_record_read(&reader, &record, &err) == 1;
}

int main(void)
{
	_cleanup_(kf_freep) char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, stdin)) > 0)
		puts(good(line, (size_t)len) ? "good" : "bad");
	return 0;
}
