/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "core/text.h"
#include "firmware/dictionary.h"
#include "firmware/same-firmware.h"

/* The dictionary of an image, and where it is packed. */
struct packed {
	size_t at, used;
	json_t *json; /* without the stamps */
};

static void free_packed(struct packed *packed)
{
	json_decref(packed->json);
}

static bool find_packed(const uint8_t *image, size_t len, struct packed *ret)
{
	_cleanup_(kf_freep) char *text = NULL;
	char version[KF_NAME_SIZE];
	struct kf_dictionary read;
	size_t text_bytes;

	if (kf_dictionary_locate(image, len, &ret->at, &ret->used, &text, &text_bytes, &read,
				 NULL) < 0)
		return false;
	ret->json = json_loadb(text, text_bytes, 0, NULL);
	kf_version_strip(read.version, version);
	json_object_set_new(ret->json, "version", json_string(version));
	json_object_del(ret->json, "build_versions");
	return ret->json != NULL;
}

/* The first member that is not in both, or not the same: "config.CLOCK_FREQ". */
static void name_difference(const json_t *a, const json_t *b, char *ret, size_t size)
{
	const char *name, *inner;
	json_t *value, *other;

	kf_text_format(ret, size, "one has more members");
	json_object_foreach((json_t *)a, name, value) {
		other = json_object_get(b, name);
		if (json_equal(value, other))
			continue;
		kf_text_clean(ret, size, name, strlen(name));
		if (!json_is_object(value) || strcmp(name, "config") != 0)
			return;
		json_object_foreach(value, inner, value) {
			if (json_equal(value, json_object_get(other, inner)))
				continue;
			kf_text_clean(ret, size, inner, strlen(inner));
			return;
		}
		return;
	}
}

enum kf_same kf_firmware_same(const uint8_t *built, size_t built_bytes, const uint8_t *read,
			      size_t read_bytes, uint32_t start, char *ret_why, size_t size,
			      struct kf_packed *ret_packed)
{
	_cleanup_(free_packed) struct packed a = { 0 }, b = { 0 };
	size_t common = built_bytes < read_bytes ? built_bytes : read_bytes, at = 0;
	char name[KF_NAME_SIZE];

	ret_why[0] = '\0';
	while (at < common && built[at] == read[at])
		at++;
	if (at == built_bytes)
		return KF_SAME;
	if (at == read_bytes) {
		kf_text_format(ret_why, size, "it is longer than what was read");
		return KF_SAME_SO_FAR;
	}
	if (!find_packed(built, built_bytes, &a) || !find_packed(read, read_bytes, &b)) {
		kf_text_format(ret_why, size, "no dictionary of Klipper is at its place");
		return KF_SAME_NOT;
	}
	if (!json_equal(a.json, b.json)) {
		name_difference(a.json, b.json, name, sizeof(name));
		kf_text_format(ret_why, size, "its dictionary has another %s", name);
		return KF_SAME_NOT;
	}
	if (a.used != b.used || memcmp(built + a.at, read + b.at, a.used) != 0) {
		*ret_packed = (struct kf_packed){ .data = read + b.at, .len = b.used };
		return KF_SAME_STAMPS;
	}
	kf_text_format(ret_why, size, "the first other byte is at 0x%08x", start + (uint32_t)at);
	return KF_SAME_NOT;
}
