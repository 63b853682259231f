/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Data dictionaries: of Klipper, of Kalico, of nobody, and made to do harm. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <zlib.h>

#include "firmware/dictionary.h"
#include "unit/test.h"

#define KLIPPER                                                                                    \
	"{\"app\":\"Klipper\",\"build_versions\":\"gcc: 12.2.1 binutils: 2.40\","                  \
	"\"commands\":{\"identify offset=%u count=%c\":1},"                                        \
	"\"config\":{\"ADC_MAX\":4095,\"MCU\":\"rp2040\"},\"version\":\"v0.13.0-730-g84104bbbd\"}"

static size_t deflated(const void *data, size_t len, int level, uint8_t *ret, size_t size)
{
	uLongf used = size;

	CHECK(compress2(ret, &used, data, len, level) == Z_OK);
	return used;
}

/* Inflate a dictionary and read it. */
static int read_packed(const uint8_t *data, size_t len, struct kf_dictionary *ret, size_t *ret_used,
		       struct kf_error *err)
{
	_cleanup_(kf_freep) char *json = NULL;
	size_t json_bytes;
	int r = kf_dictionary_inflate(data, len, &json, &json_bytes, ret_used, err);

	return r < 0 ? r : kf_dictionary_parse(json, json_bytes, ret, err);
}

TEST(members_of_klippers_dictionary_are_read)
{
	struct kf_dictionary d;
	struct kf_error err;
	uint8_t z[1024];
	size_t used = 0, len = deflated(KLIPPER, strlen(KLIPPER), 9, z, sizeof(z));

	CHECK(read_packed(z, sizeof(z), &d, &used, &err) == 0);
	CHECK(used == len);
	CHECK_STR(d.app, "Klipper");
	CHECK_STR(d.version, "v0.13.0-730-g84104bbbd");
	CHECK_STR(d.mcu, "rp2040");
	CHECK_STR(d.build, "gcc: 12.2.1 binutils: 2.40");
	memset(&d, 0, sizeof(d));
	CHECK(kf_dictionary_parse(KLIPPER, strlen(KLIPPER), &d, &err) == 0);
	CHECK_STR(d.mcu, "rp2040");
}

static int parse(const char *json, struct kf_dictionary *ret, struct kf_error *err)
{
	return kf_dictionary_parse(json, strlen(json), ret, err);
}

TEST(other_apps_and_old_versions_are_read)
{
	struct kf_dictionary d;
	struct kf_error err;

	CHECK(parse("{\"app\":\"Kalico\",\"version\":\"v2026.01.00-5-gabc\"}", &d, &err) == 0);
	CHECK_STR(d.app, "Kalico");
	CHECK_STR(d.mcu, "");
	CHECK(parse("{\"version\":\"v0.8.0\",\"config\":{\"MCU\":\"lpc1768\"}}", &d, &err) == 0);
	CHECK_STR(d.app, "Klipper");
	CHECK_STR(d.mcu, "lpc1768");
	CHECK_STR(d.build, "");
	CHECK(parse("{\"version\":\"v1\",\"version\":\"v2\"}", &d, &err) == 0);
}

static void refused(const char *json, const char *want)
{
	struct kf_dictionary d = { .version = "untouched" };
	struct kf_error err;

	CHECK(parse(json, &d, &err) == -EPROTO);
	CHECK(err.code == KF_PROTOCOL);
	CHECK(strstr(err.message, want) != NULL);
	CHECK_STR(err.hint, "");
	CHECK_STR(d.version, "untouched");
}

TEST(other_json_is_refused)
{
	refused("", "is not JSON: line 1");
	refused("{\"version\":\"v1\"", "is not JSON: line 1");
	refused("{\"version\":\"v\\u0000\"}", "is not JSON");
	refused("[\"version\"]", "is not a JSON object");
	refused("{}", "has no version");
	refused("{\"version\":\"\"}", "has no version");
	refused("{\"version\":7}", "has no version");
	refused("{\"version\":\"v1\",\"app\":null}", "an app that is not");
	refused("{\"version\":\"v1\",\"build_versions\":[]}", "build_versions that");
	refused("{\"version\":\"v1\",\"config\":\"rp2040\"}", "a config that is not");
	refused("{\"version\":\"v1\",\"config\":{\"MCU\":2040}}", "an MCU that is not");
}

TEST(strings_are_cleaned_and_cut)
{
	char json[4096], version[300];
	struct kf_dictionary d;
	struct kf_error err;

	memset(version, 'v', sizeof(version));
	version[sizeof(version) - 1] = '\0';
	snprintf(json, sizeof(json),
		 "{\"app\":\"K\\u001b[2J\",\"version\":\"%s\",\"config\":{\"MCU\":\"a\\nb\"}}",
		 version);
	CHECK(parse(json, &d, &err) == 0);
	CHECK_STR(d.app, "K?[2J");
	CHECK_STR(d.mcu, "a?b");
	CHECK(strlen(d.version) == sizeof(d.version) - 1);
}

TEST(compressed_harm_is_refused)
{
	size_t bomb_bytes = KF_DICTIONARY_MAX + 1, len, used;
	struct kf_dictionary d;
	struct kf_error err;
	uint8_t z[4096];
	char *bomb = malloc(bomb_bytes);

	memset(bomb, ' ', bomb_bytes);
	len = deflated(bomb, bomb_bytes, 9, z, sizeof(z));
	CHECK(read_packed(z, len, &d, &used, &err) == -EPROTO);
	CHECK_STR(err.message, "the data dictionary is too large");
	CHECK(kf_dictionary_parse(bomb, bomb_bytes, &d, &err) == -EPROTO);
	CHECK_STR(err.message, "the data dictionary is too large");
	free(bomb);
	len = deflated(KLIPPER, strlen(KLIPPER), 9, z, sizeof(z));
	for (size_t cut = 0; cut < len; cut++)
		CHECK(read_packed(z, cut, &d, &used, &err) == -EPROTO);
	CHECK_STR(err.message, "the data dictionary is cut off");
	z[len - 1] ^= 1;
	CHECK(read_packed(z, len, &d, &used, &err) == -EPROTO);
	CHECK_STR(err.message, "the data dictionary is not zlib's");
}

TEST(the_one_in_an_image_is_found)
{
	static const int levels[] = { 9, 6, 0 }; /* 78 da, 78 9c, 78 01 */
	uint8_t image[4096];
	struct kf_dictionary d;
	struct kf_error err;
	size_t at, len;

	for (size_t i = 0; i < KF_ARRAY_SIZE(levels); i++) {
		/* Headers of nothing, and zlib with something else in it, come before. */
		memset(image, 0x78, sizeof(image));
		memcpy(image + 100, "\x78\xda\x78\x9c\x78\x01", 6);
		at = 200 + deflated("{\"a\":1}", 7, 9, image + 200, 100);
		memset(&d, 0, sizeof(d));
		len = deflated(KLIPPER, strlen(KLIPPER), levels[i], image + at + 3, 1024);
		CHECK(kf_dictionary_find(image, sizeof(image), &d, &err) == 0);
		CHECK_STR(d.mcu, "rp2040");
		CHECK(kf_dictionary_find(image, at + 3 + len, &d, &err) == 0);
		CHECK(kf_dictionary_find(image, at + 3 + len - 1, &d, &err) == -EBADMSG);
		CHECK(err.code == KF_BAD_IMAGE);
	}
	for (len = 0; len < 4; len++)
		CHECK(kf_dictionary_find(image, len, &d, &err) == -EBADMSG);
}

TEST(an_image_full_of_bombs_does_not_keep_us_busy)
{
	size_t len = KF_DICTIONARY_MAX * 16, n;
	uint8_t *image = calloc(1, len);
	clock_t begin = clock(); /* processor time: other programs must not fail this */
	struct kf_dictionary d;
	struct kf_error err;

	/* Each is an allowed size, and nothing: 16 s of inflating, all together. */
	n = deflated(image + KF_DICTIONARY_MAX, KF_DICTIONARY_MAX, 9, image, KF_DICTIONARY_MAX);
	for (size_t at = n; at + n <= len; at += n)
		memcpy(image + at, image, n);
	CHECK(kf_dictionary_find(image, len, &d, &err) == -EBADMSG);
	CHECK((clock() - begin) / CLOCKS_PER_SEC < 5);
	free(image);
}

TEST(what_is_packed_with_bzip2_is_named)
{
	static const uint8_t packed[] = "BZh91AY&SY\x12\x34\x56\x78";
	uint8_t image[256] = { 0 };
	struct kf_dictionary d;
	struct kf_error err;
	size_t used;

	CHECK(read_packed(packed, sizeof(packed), &d, &used, &err) == -EPROTO);
	CHECK_STR(err.message,
		  "the data dictionary is packed with bzip2, which this version cannot "
		  "read");
	memcpy(image + 100, packed, sizeof(packed));
	CHECK(kf_dictionary_find(image, sizeof(image), &d, &err) == -EBADMSG);
	CHECK_STR(err.message,
		  "its data dictionary is packed with bzip2, which this version cannot "
		  "read");
}

static void strip(const char *version, const char *want)
{
	char got[KF_NAME_SIZE];

	kf_version_strip(version, got);
	CHECK_STR(got, want);
}

TEST(the_build_suffix_is_no_part_of_a_version)
{
	strip("v0.13.0-730-g84104bbbd", "v0.13.0-730-g84104bbbd");
	strip("v0.13.0-730-g84104bbbd-dirty-20261123_030726-my-host",
	      "v0.13.0-730-g84104bbbd-dirty");
	strip("v0.13.0-730-g84104bbbd-20261123_030726-host", "v0.13.0-730-g84104bbbd");
	strip("?-20261123_030726-host", "?");
	strip("v2026.01.00-1-g20261123-dirty", "v2026.01.00-1-g20261123-dirty");
	strip("v1-20261123_030726", "v1-20261123_030726");
	strip("", "");
}

TEST_MAIN(T(members_of_klippers_dictionary_are_read), T(other_apps_and_old_versions_are_read),
	  T(other_json_is_refused), T(strings_are_cleaned_and_cut), T(compressed_harm_is_refused),
	  T(the_one_in_an_image_is_found), T(an_image_full_of_bombs_does_not_keep_us_busy),
	  T(what_is_packed_with_bzip2_is_named), T(the_build_suffix_is_no_part_of_a_version))
