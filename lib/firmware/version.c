/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "firmware/dictionary.h"
#include "firmware/version.h"

#define DIGITS "0123456789"

enum { HASH_MIN = 4 }; /* git's own minimum: core.abbrev */

static bool is_hash(const char *text)
{
	size_t len = strlen(text);

	return len >= HASH_MIN && len < sizeof(((struct kf_version *)NULL)->hash) &&
	       strspn(text, DIGITS "abcdef") == len;
}

/* The usual characters of git's tags; none of them means more to git's revision syntax. */
static bool is_tag(const char *text)
{
	static const char chars[] = DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "._+-";

	return text[0] && text[0] != '-' && text[0] != '.' && !strstr(text, "..") &&
	       strspn(text, chars) == strlen(text) &&
	       strlen(text) < sizeof(((struct kf_version *)NULL)->tag);
}

/* Cut suffix off text. */
static bool cut(char *text, const char *suffix)
{
	size_t len = strlen(text), tail = strlen(suffix);

	if (len < tail || strcmp(text + len - tail, suffix) != 0)
		return false;
	text[len - tail] = '\0';
	return true;
}

/* TAG-COMMITS-gHASH: cut text to TAG. */
static bool cut_description(char *text, struct kf_version *ret)
{
	char *hash = strrchr(text, '-'), *count, *end;
	unsigned long commits;

	if (!hash || hash[1] != 'g' || !is_hash(hash + 2))
		return false;
	*hash = '\0';
	count = strrchr(text, '-');
	commits = count ? strtoul(count + 1, &end, 10) : 0;
	if (!count || !count[1] || strspn(count + 1, DIGITS) != strlen(count + 1) ||
	    commits > INT32_MAX) {
		*hash = '-';
		return false;
	}
	*count = '\0';
	ret->commits = (unsigned)commits;
	KF_COPY(ret->hash, hash + 2);
	return true;
}

bool kf_version_parse(const char *text, struct kf_version *ret)
{
	struct kf_version v = { 0 };
	char rest[KF_NAME_SIZE];

	kf_version_strip(text, rest);
	v.stamped = strlen(rest) < strlen(text);
	v.dirty = cut(rest, "-dirty");
	if (!cut_description(rest, &v) && is_hash(rest)) {
		KF_COPY(v.hash, rest);
	} else if (is_tag(rest)) {
		KF_COPY(v.tag, rest);
	} else {
		return false;
	}
	*ret = v;
	return true;
}

bool kf_version_same(const struct kf_version *a, const struct kf_version *b)
{
	size_t a_len = strlen(a->hash), b_len = strlen(b->hash);
	size_t len = a_len < b_len ? a_len : b_len;

	if (len > 0)
		return strncmp(a->hash, b->hash, len) == 0;
	return a->tag[0] && a->commits == 0 && b->commits == 0 && strcmp(a->tag, b->tag) == 0;
}
