/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * member .a.b: what "jq -r .a.b" prints of each JSON text of standard input, if that is a word, a
 * number, true, false or null; most questions of the tests are such, and jq takes three times as
 * long to start (helper.bash).
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/base.h"
#include "unit/program.h"

/* The member of path (".a.b") in value: NULL is null, as the member of null and one that is
 * missing. */
static int find(const json_t *value, const char *path, const json_t **ret)
{
	char name[64];
	size_t len;

	for (; *path; path += len) {
		path++;
		len = strcspn(path, ".");
		if ((value && !json_is_object(value) && !json_is_null(value)) ||
		    len >= sizeof(name))
			return -1;
		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		value = json_object_get(value, name);
	}
	*ret = value;
	return 0;
}

static int print(const json_t *value)
{
	_cleanup_(kf_freep) char *text = NULL;

	if (json_is_array(value) || json_is_object(value))
		return -1;
	if (json_is_string(value)) {
		fwrite(json_string_value(value), 1, json_string_length(value), stdout);
	} else {
		text = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
		fputs(text ? text : "null", stdout);
	}
	return putchar('\n') < 0;
}

/* Is there another text? */
static bool more(void)
{
	int c;

	do
		c = getchar();
	while (c == ' ' || c == '\n');
	return ungetc(c, stdin) != EOF;
}

PROGRAM
{
	const json_t *value;
	json_error_t why;

	if (argc != 2)
		return 64;
	while (more()) {
		_cleanup_(kf_json_decrefp) json_t *text =
			json_loadf(stdin, JSON_DISABLE_EOF_CHECK, &why);

		if (!text || find(text, argv[1], &value) < 0 || print(value) != 0) {
			fprintf(stderr, "member: %s: %s\n", argv[1],
				text ? "no word, number, true, false or null" : why.text);
			return 5;
		}
	}
	return 0;
}
