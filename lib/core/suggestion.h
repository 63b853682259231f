/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finds the command, option or key that a mistyped word is most like. */
#ifndef KF_CORE_SUGGESTION_H
#define KF_CORE_SUGGESTION_H

#include "core/base.h"

struct kf_suggestion {
	const char *typed; /* set before the first kf_suggestion_offer; the rest is zero */
	const char *word;  /* the likeliest of the words so far; NULL: none is likely */
	unsigned edits;	   /* its distance */
};

/*
 * word is a candidate; the suggestion keeps the pointer. It is likely after one edit: a letter is
 * missing, too many, another one, or has changed places with the next one. In words of six letters
 * or more it is likely after two edits, in words of one or two never.
 */
void kf_suggestion_offer(struct kf_suggestion *suggestion, const char *word);

#endif
