/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * That a board's saved configuration was proposed, and what a person answered then, which may be
 * nothing: configs/KEY/answers.json, beside the .config. It names that by its hash: after any
 * change of the .config they are no longer the answers that made it. An answer may be wrong, and is
 * corrected or asked again until a flash has shown that it is right.
 */
#ifndef KF_REGISTRY_ANSWERS_H
#define KF_REGISTRY_ANSWERS_H

#include "core/error.h"

enum { KF_ANSWERS_MAX = 12 };

struct kf_answer {
	char symbol[80], value[16]; /* "STM32_CLOCK_REF_12M", "y" */
};

struct kf_answers {
	size_t count;
	struct kf_answer list[KF_ANSWERS_MAX];
	int64_t time_s; /* Unix time at which they were given */
};

/* Of what is saved now. False: it was not proposed. */
bool kf_answers_load(const char *key, struct kf_answers *ret);

/* Note that what is saved now was made with them; the hash and the time are filled in. */
_must_check_ int kf_answers_save(const char *key, const struct kf_answers *answers,
				 struct kf_error *err);

/* One more; without room it is left out, and will be asked again. */
void kf_answers_add(struct kf_answers *answers, const char *symbol, const char *value);

#endif
