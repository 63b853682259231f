/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "unit/program.h"

struct program *programs;

/* "tests/unit/test-board.c" has the program "test-board". */
static bool is_of(const char *file, const char *name)
{
	const char *slash = strrchr(file, '/');
	size_t len = strlen(name);

	file = slash ? slash + 1 : file;
	return strncmp(file, name, len) == 0 && strcmp(file + len, ".c") == 0;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];

	for (struct program *p = programs; p; p = p->next) {
		if (is_of(p->file, name))
			return p->run(argc, argv);
	}
	fprintf(stderr, "%s: is not started by the name of a unit test\n", name);
	return 64;
}
