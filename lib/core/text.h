/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cleans strings from outside (USB, a board, a file, a pipe); no other file does. */
#ifndef KF_CORE_TEXT_H
#define KF_CORE_TEXT_H

#include "core/base.h"

/* The size of a char array; of a pointer it does not compile. */
#define KF_ARRAY_BYTES(array)                                                                      \
	({                                                                                         \
		_Static_assert(!__builtin_types_compatible_p(__typeof__(array), char *),           \
			       "an array, not a pointer");                                         \
		sizeof(array);                                                                     \
	})

/*
 * Copy src (len bytes; it ends at a NUL before that) to dst as valid UTF-8 without
 * control characters (C0, DEL, C1, line and paragraph separators, bidirectional
 * overrides), of at most size - 1 bytes, cut between characters. What is not
 * allowed becomes '?'. Returns true if dst is the same as src.
 */
bool kf_text_clean(char *dst, size_t size, const char *src, size_t len);

/* The same of a whole text into a char array. */
#define KF_CLEAN(array, text) kf_text_clean(array, KF_ARRAY_BYTES(array), text, SIZE_MAX)

/* snprintf into an array; false if it did not fit (dst then holds what fitted). */
bool kf_text_format(char *dst, size_t size, const char *fmt, ...) _printf_(3, 4);

/* Copy text into a char array, as far as it fits; false: not all of it does. */
#define KF_COPY(array, text) kf_text_format(array, KF_ARRAY_BYTES(array), "%s", text)

/* Add word to a list, behind separator unless it is the first; false: it does not fit, and is left
 * out. */
bool kf_text_add(char *list, size_t size, const char *separator, const char *word);

/* The text without the byte order mark that some editors put in front; *len is less by that. */
const char *kf_text_without_bom(const char *text, size_t *len);

#endif
