/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one place where outside strings become safe. Everything here always ends in a NUL. */
#include <errno.h>
#include <iconv.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

enum { NAME_MAX_BYTES = 1024 }; /* of a board's name that reach its key: more than enough */

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

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* lint: -Wno-analyzer-malloc-leak: gcc 12 takes iconv_open's (iconv_t)-1 for memory */
/*
 * ASCII as the C library writes it: "Tetiere" for "Têtière". What has no such letter is dropped by
 * the caller, and so is everything that is not ASCII where the library has no C.UTF-8. It goes by
 * the thread's locale, not by the user's, so that a name gives one key for everybody.
 */
static void fold(const char *name, char *ret, size_t size)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before;
	char *in = (char *)name, *out = ret;
	size_t left = strlen(name), room = size - 1;
	iconv_t cd;

	if (!utf8) {
		kf_text_format(ret, size, "%s", name);
		return;
	}
	before = uselocale(utf8);
	cd = iconv_open("ASCII//TRANSLIT", "UTF-8");
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): POSIX's own value */
	if (cd != (iconv_t)-1) {
		/* A byte that is no UTF-8 is left out. */
		while (left > 0 && iconv(cd, &in, &left, &out, &room) == (size_t)-1 &&
		       errno != E2BIG && left > 0) {
			in++;
			left--;
		}
		iconv_close(cd);
	}
	*out = '\0';
	uselocale(before);
	freelocale(utf8);
}

bool kf_key_from_name(const char *name, char ret[KF_KEY_SIZE])
{
	char ascii[NAME_MAX_BYTES];
	size_t out = 0;
	bool gap = false;

	fold(name, ascii, sizeof(ascii));
	for (name = ascii; *name; name++) {
		char c = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;

		if (c == ' ' || c == '_' || c == '.' || c == '-') {
			gap = out > 0;
		} else if (alnum(c)) {
			if (out + gap + 1 >= KF_KEY_SIZE)
				break;
			if (gap)
				ret[out++] = '-';
			ret[out++] = c;
			gap = false;
		}
	}
	ret[out] = '\0';
	return out > 0;
}

bool kf_key_valid(const char *key)
{
	size_t len = strlen(key);

	if (len == 0 || len >= KF_KEY_SIZE || !alnum(key[0]))
		return false;
	for (const char *p = key; *p; p++)
		if (!alnum(*p) && *p != '_' && *p != '-')
			return false;
	return true;
}

bool kf_seconds_read(const char *text, int64_t least_ms, int64_t *ret_ms)
{
	char *end;
	double s = strtod(text, &end);

	if (end == text || *end || !(s >= 0 && s <= 86400) || (int64_t)(s * 1000) < least_ms)
		return false;
	*ret_ms = (int64_t)(s * 1000);
	return true;
}

void kf_text_hex(const uint8_t *data, size_t len, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*ret++ = digits[data[i] >> 4];
		*ret++ = digits[data[i] & 15];
	}
	*ret = '\0';
}

const char *kf_text_without_bom(const char *text, size_t *len)
{
	static const char bom[] = "\xef\xbb\xbf";
	size_t skip = strncmp(text, bom, sizeof(bom) - 1) == 0 ? sizeof(bom) - 1 : 0;

	*len -= skip;
	return text + skip;
}
