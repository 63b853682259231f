/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kept firmware: what comes back, what is pruned, what is refused. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "build/kept.h"
#include "core/file.h"
#include "core/text.h"
#include "unit/test.h"

static char home[] = "/tmp/kf-test-kept.XXXXXX";
static struct kf_error err;

static void in_home(char ret[512], const char *name)
{
	kf_text_format(ret, 512, "%s/%s", home, name);
}

static void set_up(void)
{
	char path[512];

	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the end of home stays */
	memcpy(home + sizeof(home) - 7, "XXXXXX", 6);
	CHECK(mkdtemp(home) != NULL);
	setenv("XDG_STATE_HOME", home, 1);
	in_home(path, "config");
	CHECK(kf_file_write(path, "CONFIG_MCU=\"rp2040\"\n", 20, &err) == 0);
}

static void tear_down(void)
{
	CHECK(kf_dir_remove(home, &err) == 0);
}

/* Keep an image of this text. */
static int keep(const char *text, json_t **ret)
{
	_cleanup_(kf_json_decrefp) json_t *firmware = NULL;
	char image[512], config[512], sha256[KF_HEX_SIZE];

	kf_sha256(text, strlen(text), sha256);
	firmware = json_pack("{s:s, s:s, s:b, s:f, s:s, s:s}", "format", "bin", "sha256", sha256,
			     "reused", 0, "seconds", 0.1, "tree", "/tree", "config_sha256", "c");
	in_home(image, "out.bin");
	in_home(config, "config");
	if (kf_file_write(image, text, strlen(text), &err) < 0)
		return -EIO;
	return kf_kept_add("board", image, config, firmware, ret, &err);
}

static const char *text_of(const json_t *obj, const char *member)
{
	const char *text = json_string_value(json_object_get(obj, member));

	return text ? text : "";
}

TEST(the_newest_comes_back)
{
	_cleanup_(kf_json_decrefp) json_t *first = NULL, *second = NULL, *got = NULL;
	_cleanup_(kf_freep) char *bytes = NULL;
	size_t len;

	set_up();
	CHECK(kf_kept_latest("board", NULL, &got, &err) == -ENOENT && err.code == KF_NO_FIRMWARE);
	CHECK(keep("one", &first) == 0 && keep("two", &second) == 0);
	CHECK(kf_kept_latest("board", NULL, &got, &err) == 0);
	CHECK_STR(text_of(got, "path"), text_of(second, "path"));
	CHECK(strstr(text_of(got, "path"), "/firmware/board/3fc4ccfe7458/klipper.bin"));
	CHECK(json_is_true(json_object_get(got, "reused")));
	CHECK(json_is_false(json_object_get(second, "reused")));
	CHECK(!json_object_get(got, "tree") && !json_object_get(got, "time"));
	CHECK(kf_file_read(text_of(got, "path"), 16, &bytes, &len, &err) == 0);
	CHECK_STR(bytes, "two");
	CHECK(access(text_of(first, "path"), F_OK) == 0);
	tear_down();
}

TEST(the_same_image_again_is_the_newest)
{
	_cleanup_(kf_json_decrefp) json_t *first = NULL, *second = NULL, *again = NULL, *got = NULL;

	set_up();
	CHECK(keep("one", &first) == 0 && keep("two", &second) == 0 && keep("one", &again) == 0);
	CHECK(kf_kept_latest("board", NULL, &got, &err) == 0);
	CHECK_STR(text_of(got, "path"), text_of(first, "path"));
	tear_down();
}

TEST(five_are_kept)
{
	json_t *kept[KF_KEPT_MAX + 2] = { NULL };
	char text[] = "0";

	set_up();
	for (size_t i = 0; i < KF_ARRAY_SIZE(kept); i++) {
		text[0] = (char)('0' + i);
		CHECK(keep(text, &kept[i]) == 0);
	}
	for (size_t i = 0; i < KF_ARRAY_SIZE(kept); i++) {
		CHECK((access(text_of(kept[i], "path"), F_OK) == 0) == (i >= 2));
		json_decref(kept[i]);
	}
	tear_down();
}

TEST(damage_is_told)
{
	_cleanup_(kf_json_decrefp) json_t *kept = NULL, *got = NULL;
	char path[512];

	set_up();
	CHECK(keep("one", &kept) == 0);
	CHECK(kf_file_write(text_of(kept, "path"), "onf", 3, &err) == 0);
	CHECK(kf_kept_latest("board", NULL, &got, &err) < 0);
	CHECK(err.code == KF_NO_FIRMWARE && strstr(err.message, "has changed"));
	CHECK(unlink(text_of(kept, "path")) == 0);
	CHECK(kf_kept_latest("board", NULL, &got, &err) < 0);
	CHECK(err.code == KF_NO_FIRMWARE && strstr(err.message, "is missing"));
	in_home(path, "kalico-flash/firmware/board/latest");
	CHECK(kf_file_write(path, "../../../etc\n", 13, &err) == 0);
	CHECK(kf_kept_latest("board", NULL, &got, &err) < 0);
	CHECK(err.code == KF_NO_FIRMWARE && strstr(err.message, "names no build"));
	CHECK(got == NULL);
	tear_down();
}

TEST(a_key_is_no_path)
{
	json_t *got = NULL;

	CHECK(kf_kept_latest("../board", NULL, &got, &err) < 0 && err.code == KF_INTERNAL);
	CHECK(got == NULL);
}

TEST_MAIN(T(the_newest_comes_back), T(the_same_image_again_is_the_newest), T(five_are_kept),
	  T(damage_is_told), T(a_key_is_no_path))
