/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A person's answer to "which of these?". */
#ifndef KF_CORE_CHOICE_H
#define KF_CORE_CHOICE_H

#include "core/error.h"

/*
 * Read an answer to a list of count keys numbered from 1: numbers or keys apart by spaces or
 * commas, "a" or "all" for every one, "q" or nothing for none. Sets picks[i] (count of them;
 * all false before) and returns how many are picked; -EINVAL (KF_USAGE) names what it did not
 * understand, and picks is then not to be used.
 */
_must_check_ int kf_choice_read(const char *answer, const char *const *keys, size_t count,
				bool *picks, struct kf_error *err);

#endif
