/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "core/suggestion.h"

enum { WORD_MAX = 32, EDITS_MAX = 2, LETTERS_AN_EDIT = 3 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* The optimal string alignment distance: d[i][j] is that of the first i and j letters. */
static unsigned distance(const char *a, const char *b)
{
	size_t len_a = strlen(a), len_b = strlen(b);
	unsigned d[WORD_MAX + 1][WORD_MAX + 1] = { 0 };

	if (len_a > WORD_MAX || len_b > WORD_MAX)
		return WORD_MAX;
	for (size_t i = 0; i <= len_a; i++) {
		for (size_t j = 0; j <= len_b; j++) {
			if (i == 0 || j == 0) {
				d[i][j] = (unsigned)(i + j);
				continue;
			}
			d[i][j] = least(d[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
					1 + least(d[i - 1][j], d[i][j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[len_a][len_b];
}

void kf_suggestion_offer(struct kf_suggestion *suggestion, const char *word)
{
	unsigned edits = distance(suggestion->typed, word);

	if (edits > EDITS_MAX || edits * LETTERS_AN_EDIT > strlen(word) ||
	    (suggestion->word && suggestion->edits <= edits))
		return;
	suggestion->word = word;
	suggestion->edits = edits;
}
