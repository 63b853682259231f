/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A number wins over a key that looks like one: the list shows the numbers. */
#include <string.h>
#include <strings.h>

#include "core/choice.h"
#include "core/text.h"

static bool is(const char *word, const char *letter, const char *whole)
{
	return strcasecmp(word, letter) == 0 || strcasecmp(word, whole) == 0;
}

/* The number of the entry that word means, from 0, or count. */
static size_t find(const char *word, const char *const *keys, size_t count)
{
	size_t number = 0, i;

	if (strspn(word, "0123456789") == strlen(word)) {
		for (; *word && number <= count; word++)
			number = number * 10 + (size_t)(*word - '0');
		return number >= 1 && number <= count ? number - 1 : count;
	}
	for (i = 0; i < count && strcmp(word, keys[i]) != 0; i++)
		;
	return i;
}

int kf_choice_read(const char *answer, const char *const *keys, size_t count, bool *picks,
		   struct kf_error *err)
{
	char copy[1024], *rest, *word;
	int picked = 0;
	size_t i;

	if (!kf_text_format(copy, sizeof(copy), "%s", answer))
		return kf_fail(err, KF_USAGE, "that is too long an answer");
	if (is(copy, "a", "all")) {
		memset(picks, true, count * sizeof(*picks));
		return (int)count;
	}
	if (is(copy, "q", "quit"))
		return 0;
	for (word = strtok_r(copy, " ,", &rest); word; word = strtok_r(NULL, " ,", &rest)) {
		i = find(word, keys, count);
		if (i == count)
			return kf_fail(err, KF_USAGE, "\"%s\" is none of them", word);
		picked += !picks[i];
		picks[i] = true;
	}
	return picked;
}
