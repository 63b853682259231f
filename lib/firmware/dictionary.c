/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Data dictionaries: inflated within bounds, read with every type checked, kept as clean text. */
#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "core/file.h"
#include "core/text.h"
#include "firmware/dictionary.h"

/* The most bytes that a search may inflate. An image that needs more was made to keep us busy. */
#define FIND_BUDGET ((size_t)64 * KF_DICTIONARY_MAX)
#define FIND_SETUP  1024 /* each try costs about as much as so many bytes */

enum inflated {
	INFLATED,
	NOT_ZLIB,
	CUT_OFF,
	TOO_LARGE,
	NO_MEMORY,
};

static const char *const inflated_text[] = {
	[NOT_ZLIB] = "is not zlib's",
	[CUT_OFF] = "is cut off",
	[TOO_LARGE] = "is too large",
};

/* Inflate the one stream at data to out, at most KF_DICTIONARY_MAX bytes. */
static enum inflated inflate_stream(const uint8_t *data, size_t len, uint8_t *out, size_t *ret_out,
				    size_t *ret_used)
{
	z_stream z = { .next_in = data,
		       .avail_in = len > UINT32_MAX ? UINT32_MAX : (uInt)len,
		       .next_out = out,
		       .avail_out = KF_DICTIONARY_MAX };
	int r;

	*ret_out = *ret_used = 0;
	if (inflateInit(&z) != Z_OK)
		return NO_MEMORY;
	r = inflate(&z, Z_FINISH);
	*ret_out = z.total_out;
	*ret_used = z.total_in;
	inflateEnd(&z);
	if (r == Z_STREAM_END)
		return INFLATED;
	if (r == Z_MEM_ERROR)
		return NO_MEMORY;
	if (r != Z_BUF_ERROR && r != Z_OK)
		return NOT_ZLIB;
	return z.avail_out == 0 ? TOO_LARGE : CUT_OFF;
}

/* Only the caller knows where the dictionary came from, so no hint is given here. */
static int refuse(struct kf_error *err, const char *what)
{
	int r = kf_fail(err, KF_PROTOCOL, "the data dictionary %s", what);

	kf_error_hint(err, "%s", "");
	return r;
}

static int no_memory(struct kf_error *err)
{
	return kf_fail(err, KF_INTERNAL, "no memory for a data dictionary");
}

/* A member that is a string, or absent. */
static bool get_text(const json_t *obj, const char *name, char *ret, size_t size)
{
	const json_t *value = json_object_get(obj, name);

	if (value && !json_is_string(value))
		return false;
	kf_text_clean(ret, size, value ? json_string_value(value) : "", json_string_length(value));
	return true;
}

static int read_members(const json_t *root, struct kf_dictionary *ret, struct kf_error *err)
{
	struct kf_dictionary d = { 0 };
	const json_t *config = json_object_get(root, "config");

	if (!json_is_object(root))
		return refuse(err, "is not a JSON object");
	if (!get_text(root, "version", d.version, sizeof(d.version)) || d.version[0] == '\0')
		return refuse(err, "has no version");
	if (!get_text(root, "app", d.app, sizeof(d.app)))
		return refuse(err, "has an app that is not a string");
	if (d.app[0] == '\0')
		kf_text_format(d.app, sizeof(d.app), "Klipper");
	if (!get_text(root, "build_versions", d.build, sizeof(d.build)))
		return refuse(err, "has build_versions that are not a string");
	if (config && !json_is_object(config))
		return refuse(err, "has a config that is not an object");
	if (!get_text(config, "MCU", d.mcu, sizeof(d.mcu)))
		return refuse(err, "has an MCU that is not a string");
	/* Klipper src/generic/usb_canbus.c */
	d.can_bridge = json_integer_value(json_object_get(config, "CANBUS_BRIDGE")) == 1;
	d.can_frequency = (uint32_t)json_integer_value(json_object_get(config, "CANBUS_FREQUENCY"));
	d.constants = json_object_size(config) > 0;
	*ret = d;
	return 0;
}

int kf_dictionary_parse(const char *json, size_t len, struct kf_dictionary *ret,
			struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *root = NULL;
	char what[sizeof(((json_error_t *)NULL)->text) + 40];
	json_error_t why;
	int r;

	if (len > KF_DICTIONARY_MAX)
		return refuse(err, "is too large");
	root = json_loadb(json, len, 0, &why);
	if (!root) {
		kf_text_format(what, sizeof(what), "is not JSON: line %d: %s", why.line, why.text);
		return refuse(err, what);
	}
	r = read_members(root, ret, err);
	if (r == 0)
		kf_sha256(json, len, ret->sha256);
	return r;
}

/* bzip2's header: "BZh", the block size, and pi as its first block begins. */
static bool bzip2_header(const uint8_t *p, size_t len)
{
	return len >= 10 && memcmp(p, "BZh", 3) == 0 && p[3] >= '1' && p[3] <= '9' &&
	       memcmp(p + 4, "1AY&SY", 6) == 0;
}

static const char bzip2[] = "is packed with bzip2, which this version cannot read";

int kf_dictionary_inflate(const uint8_t *data, size_t len, char **ret, size_t *ret_len,
			  size_t *ret_used, struct kf_error *err)
{
	_cleanup_(kf_freep) uint8_t *out = malloc(KF_DICTIONARY_MAX);
	size_t out_bytes = 0, used = 0;
	enum inflated inflated;

	inflated = out ? inflate_stream(data, len, out, &out_bytes, &used) : NO_MEMORY;
	if (inflated == NO_MEMORY)
		return no_memory(err);
	if (inflated == NOT_ZLIB && bzip2_header(data, len))
		return refuse(err, bzip2);
	if (inflated != INFLATED)
		return refuse(err, inflated_text[inflated]);
	if (ret_used)
		*ret_used = used;
	*ret = (char *)TAKE_PTR(out);
	*ret_len = out_bytes;
	return 0;
}

/* RFC 1950: 78 is deflate with the usual window, then the level and its check bits. */
static bool zlib_header(const uint8_t *p)
{
	return p[0] == 0x78 && (p[1] == 0xda || p[1] == 0x9c || p[1] == 0x01);
}

/* Fail: there is no dictionary in the image. If one is packed with bzip2, name that. */
static int not_found(const uint8_t *image, size_t len, struct kf_error *err)
{
	for (size_t at = 0; at + 10 <= len; at++)
		if (bzip2_header(image + at, len - at))
			return kf_fail(err, KF_BAD_IMAGE, "its data dictionary %s", bzip2);
	return kf_fail(err, KF_BAD_IMAGE, "no data dictionary of Klipper or Kalico in it");
}

int kf_dictionary_locate(const uint8_t *image, size_t len, size_t *ret_at, size_t *ret_used,
			 char **ret, size_t *ret_len, struct kf_dictionary *ret_read,
			 struct kf_error *err)
{
	_cleanup_(kf_freep) uint8_t *out = malloc(KF_DICTIONARY_MAX);
	const uint8_t *end = image + len;
	size_t budget = FIND_BUDGET, out_bytes, used;

	if (!out)
		return no_memory(err);
	for (const uint8_t *p = image; end - p > 2; p++) {
		p = memchr(p, 0x78, (size_t)(end - p) - 1);
		if (!p)
			break;
		if (!zlib_header(p))
			continue;
		if (inflate_stream(p, (size_t)(end - p), out, &out_bytes, &used) == INFLATED &&
		    kf_dictionary_parse((const char *)out, out_bytes, ret_read, NULL) == 0) {
			*ret_at = (size_t)(p - image);
			*ret_used = used;
			*ret = (char *)TAKE_PTR(out);
			*ret_len = out_bytes;
			return 0;
		}
		if (out_bytes + FIND_SETUP >= budget)
			break;
		budget -= out_bytes + FIND_SETUP;
	}
	return not_found(image, len, err);
}

int kf_dictionary_find(const uint8_t *image, size_t len, struct kf_dictionary *ret,
		       struct kf_error *err)
{
	_cleanup_(kf_freep) char *json = NULL;
	size_t at, used, json_bytes;

	return kf_dictionary_locate(image, len, &at, &used, &json, &json_bytes, ret, err);
}

/* "-20261123_030726-", as the build's strftime(3) writes it. */
static bool build_suffix(const char *p)
{
	static const char shape[] = "-dddddddd_dddddd-";

	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == 'd' ? p[i] < '0' || p[i] > '9' : p[i] != shape[i])
			return false;
	return true;
}

void kf_version_strip(const char *version, char ret[KF_NAME_SIZE])
{
	const char *end = version;

	while (*end && !build_suffix(end))
		end++;
	kf_text_clean(ret, KF_NAME_SIZE, version, (size_t)(end - version));
}
