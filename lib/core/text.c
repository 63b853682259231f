/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cleans strings from outside. Every result ends in a NUL. */
#include <stdarg.h>
#include <string.h>

#include "core/text.h"

/*
 * The length of the well-formed UTF-8 sequence at s (Unicode 15, table 3-7), or 0.
 * Its code point goes to *ret.
 */
static size_t sequence(const uint8_t *s, size_t len, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80	     ? 1
		   : s[0] >> 5 == 6  ? 2
		   : s[0] >> 4 == 14 ? 3
		   : s[0] >> 3 == 30 ? 4
				     : 0;
	uint32_t c;

	if (n == 0 || n > len)
		return 0;
	c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (n > 1 && (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)))
		return 0;
	*ret = c;
	return n;
}

/* Characters that can move the cursor, break a line or reorder text. */
static bool harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

bool kf_text_clean(char *dst, size_t size, const char *src, size_t len)
{
	const uint8_t *s = (const uint8_t *)src;
	bool same = true;
	size_t out = 0, n;
	uint32_t c = 0;

	len = strnlen(src, len);
	for (size_t i = 0; i < len; i += n ? n : 1) {
		n = sequence(s + i, len - i, &c);
		if (out + (n ? n : 1) >= size) {
			same = false;
			break;
		}
		if (n == 0 || harmful(c)) {
			dst[out++] = '?';
			same = false;
		} else {
			memcpy(dst + out, s + i, n);
			out += n;
		}
	}
	dst[out] = '\0';
	return same;
}

bool kf_text_format(char *dst, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(dst, size, fmt, ap);
	va_end(ap);
	return n >= 0 && (size_t)n < size;
}

bool kf_text_add(char *list, size_t size, const char *separator, const char *word)
{
	size_t len = strlen(list);

	if (kf_text_format(list + len, size - len, "%s%s", len ? separator : "", word))
		return true;
	list[len] = '\0';
	return false;
}

const char *kf_text_without_bom(const char *text, size_t *len)
{
	static const char bom[] = "\xef\xbb\xbf";
	size_t skip = strncmp(text, bom, sizeof(bom) - 1) == 0 ? sizeof(bom) - 1 : 0;

	*len -= skip;
	return text + skip;
}
