/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One board's build, always from nothing, in an output folder of its own that is removed at the
 * end: what flashing needs of it is kept (build/kept.h). That make ended with status 0 proves
 * nothing: the image must say itself that it is what was wanted.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "board/identity.h"
#include "build/build.h"
#include "build/kept.h"
#include "build/source.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/text.h"
#include "firmware/chip.h"
#include "firmware/image-check.h"
#include "firmware/image.h"

void kf_build_free(struct kf_build *b)
{
	kf_kconfig_free(&b->kconfig);
	kf_closep(&b->lock);
	kf_closep(&b->log_fd);
	b->lock = b->log_fd = -1;
}

/* The saved configuration must be the one that was checked: the record has its hash. */
static int load_config(struct kf_build *b, struct kf_error *err)
{
	char sha256[KF_HEX_SIZE];
	int r = kf_kconfig_load(b->config, &b->kconfig, err);

	if (r < 0)
		return r;
	kf_sha256(b->kconfig.text, b->kconfig.len, sha256);
	if (strcmp(sha256, b->config_sha256) == 0)
		return 0;
	kf_fail(err, KF_CONFIG, "%s has changed since it was checked", b->config);
	return kf_error_hint(err, "run the same command again");
}

int kf_build_open(struct kf_build *b, struct kf_error *err)
{
	int r;

	b->lock = b->log_fd = -1;
	b->started_ms = kf_now_ms();
	r = kf_path(KF_DIR_CACHE, b->copy, err, "build/%s/.config", b->key);
	if (r == 0)
		r = kf_path(KF_DIR_CACHE, b->out, err, "build/%s/out/", b->key);
	if (r == 0)
		r = kf_path(KF_DIR_STATE, b->log, err, "logs/%s-build.log", b->key);
	return r < 0 ? r : load_config(b, err);
}

void kf_build_set_key(struct kf_build *b, const char source[KF_HEX_SIZE],
		      const char compiler[KF_HEX_SIZE])
{
	char all[4 * KF_HEX_SIZE + 32];

	kf_text_format(all, sizeof(all), "kalico-flash 2\n%s\n%s\n%s\n", source, b->config_sha256,
		       compiler);
	memcpy(b->source, source, sizeof(b->source));
	kf_sha256(all, strlen(all), b->build_key);
}

/* Seconds as people read them: rounded to tenths. */
static double seconds(int64_t ms)
{
	int64_t tenths = (ms + 50) / 100;

	return (double)tenths / 10;
}

/* Keep an image. firmware is the member of its record; its path and hash are added to it. */
static int keep(const struct kf_build *b, const char *image, json_t *firmware, bool reusable,
		json_t **ret, struct kf_error *err)
{
	json_object_set_new(firmware, "seconds", json_real(seconds(kf_now_ms() - b->started_ms)));
	json_object_set_new(firmware, "tree", json_string(b->tree->dir));
	json_object_set_new(firmware, "config_sha256", json_string(b->config_sha256));
	if (reusable)
		json_object_set_new(firmware, "build", json_string(b->build_key));
	return kf_kept_add(b->key, image, b->config, firmware, ret, err);
}

int kf_build_reuse(struct kf_build *b, const char *from, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *firmware = NULL;
	char image[PATH_MAX];
	int r;

	if (kf_kept_latest(from, b->build_key, &firmware, NULL) < 0)
		return 0;
	if (strcmp(from, b->key) == 0) {
		json_object_set_new(firmware, "seconds",
				    json_real(seconds(kf_now_ms() - b->started_ms)));
		*ret = TAKE_PTR(firmware);
		return 1;
	}
	KF_COPY(image, json_string_value(json_object_get(firmware, "path")));
	r = keep(b, image, firmware, true, ret, err);
	return r < 0 ? r : 1;
}

static int prepare(struct kf_build *b, struct kf_error *err)
{
	char path[PATH_MAX];
	int r = kf_path(KF_DIR_CACHE, path, err, "build/%s/lock", b->key);

	if (r == 0)
		r = kf_lock_take(path, 0, &b->lock, err);
	if (r == 0)
		r = kf_dir_remove(b->out, err); /* of a build that was killed */
	if (r == 0)
		r = kf_file_write(b->copy, b->kconfig.text, b->kconfig.len, err);
	if (r < 0)
		return r;
	b->log_fd = kf_file_log(b->log, O_TRUNC, err);
	return b->log_fd < 0 ? b->log_fd : 0;
}

int kf_build_start(struct kf_build *b, pid_t *ret, struct kf_error *err)
{
	int r = prepare(b, err);

	if (r < 0)
		return r;
	b->started_ms = kf_now_ms();
	return kf_tree_make_start(&(struct kf_make){ .tree = b->tree,
						     .out = b->out,
						     .config = b->copy,
						     .tokens = b->tokens,
						     .compile = true,
						     .tty = -1,
						     .log_fd = b->log_fd },
				  ret, err);
}

/* Turn make's exit status into the result of the build. */
static int judge_make(const struct kf_build *b, int waited, int status, struct kf_error *err)
{
	if (waited == 0 && status == 0)
		return 0;
	if (waited == 0)
		return kf_make_failed(b->tree, "", status, "", b->out, b->log, err);
	if (waited == -ETIMEDOUT) {
		kf_fail(err, KF_TIMEOUT, "make did not end within %g s", seconds(b->timeout_ms));
		kf_error_hint(err, "give it more time: kf --build-timeout=SECONDS, or kf-build "
				   "--timeout=SECONDS");
	}
	if (err)
		KF_COPY(err->log, b->log);
	return waited;
}

/* Find the first image that exists: files for bootloaders come before the one for a debugger. */
static bool find_image(struct kf_build *b)
{
	struct stat st;

	for (enum kf_format f = 0; f < KF_FORMAT_COUNT; f++)
		if (kf_text_format(b->image, sizeof(b->image), "%sklipper.%s", b->out,
				   kf_format_name(f)) &&
		    lstat(b->image, &st) == 0 && S_ISREG(st.st_mode))
			return true;
	return false;
}

static int load_image(struct kf_build *b, struct kf_image *image, struct kf_error *err)
{
	int r;

	if (find_image(b))
		r = kf_image_load(b->image, image, err);
	else
		r = kf_fail(err, KF_BUILD_FAILED, "make succeeded, but there is no firmware in %s",
			    b->out);
	if (r < 0 && err) {
		kf_error_hint(err, "is %s a Klipper or Kalico tree?", b->tree->dir);
		KF_COPY(err->log, b->log);
	}
	return r;
}

static uint32_t start_of(const struct kf_build *b, const struct kf_image *image)
{
	return image->start_known ? image->start : b->kconfig.start;
}

/* Check the image's start against the configuration, if its format states a start. */
static int check_start(const struct kf_build *b, const struct kf_image *image, struct kf_error *err)
{
	const struct kf_chip *chip = kf_chip_find(image->dictionary.mcu);

	if (!chip || !image->start_known || kf_chip_starts_at(chip, image->start, b->kconfig.start))
		return 0;
	return kf_fail(err, KF_WRONG_OFFSET,
		       "the configuration says that the application starts at 0x%08x, make built "
		       "it for 0x%08x",
		       b->kconfig.start, image->start);
}

/* Another version: make found an old image in its folder, or the tree changed while it ran. */
static int check_version(const struct kf_build *b, const struct kf_image *image,
			 struct kf_error *err)
{
	const char *tree = b->tree->version;
	char built[KF_NAME_SIZE];

	kf_version_strip(image->dictionary.version, built);
	if (!tree[0] || strcmp(built, tree) == 0)
		return 0;
	kf_fail(err, KF_WRONG_VERSION, "make built version %s, but the version of %s is %s", built,
		b->tree->dir, tree);
	return kf_error_hint(err, "if the tree was updated meanwhile, run kf-build again");
}

/*
 * make may change the configuration: it rewrites one that is older than src/Kconfig, and where a
 * symbol was renamed, the firmware is silently for another MCU (Klipper 906431bb0).
 */
static int check_output(const struct kf_build *b, const struct kf_image *image,
			struct kf_error *err)
{
	const char *const files[] = { b->config, b->copy };
	uint32_t start = start_of(b, image);
	char sha256[KF_HEX_SIZE];
	int r;

	for (size_t i = 0; i < KF_ARRAY_SIZE(files); i++) {
		r = kf_file_sha256(files[i], sha256, err);
		if (r < 0)
			return r;
		if (strcmp(sha256, b->config_sha256) != 0) {
			kf_fail(err, KF_CONFIG, "%s changed during the build", files[i]);
			return kf_error_hint(err, "run the same command again");
		}
	}
	if (!kf_mcu_same(b->kconfig.mcu, image->dictionary.mcu))
		return kf_fail(err, KF_MCU_MISMATCH,
			       "the configuration is for %s, but make built firmware for %s",
			       b->kconfig.mcu, image->dictionary.mcu);
	r = check_start(b, image, err);
	if (r == 0)
		r = kf_image_check(image, &start, err);
	if (r == 0)
		r = kf_image_check_dictionary(b->image, image, err);
	return r < 0 ? r : check_version(b, image, err);
}

/* The record's "firmware" member without its path; NULL: no memory, or no file. */
static json_t *describe(const struct kf_build *b, const struct kf_image *image)
{
	struct stat st;

	if (stat(b->image, &st) < 0)
		return NULL;
	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:I, s:b}", "format",
			 kf_format_name(image->format), "bytes", (json_int_t)st.st_size, "sha256",
			 image->sha256, "version", image->dictionary.version, "mcu",
			 image->dictionary.mcu, "start", (json_int_t)start_of(b, image), "reused",
			 0);
}

/* Did the tree stay the same while make ran? Else the build key does not fit the firmware. */
static bool undisturbed(const struct kf_build *b)
{
	char now[KF_HEX_SIZE];

	return kf_source_hash(b->tree, now, NULL) == 0 && strcmp(now, b->source) == 0;
}

int kf_build_finish(struct kf_build *b, int waited, int status, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_image_free) struct kf_image image = { 0 };
	_cleanup_(kf_json_decrefp) json_t *firmware = NULL;
	int r = judge_make(b, waited, status, err);

	if (r == 0)
		r = load_image(b, &image, err);
	if (r == 0)
		r = check_output(b, &image, err);
	if (r == 0) {
		firmware = describe(b, &image);
		r = firmware ? keep(b, b->image, firmware, undisturbed(b), ret, err)
			     : kf_fail(err, KF_INTERNAL, "%s: no record can be made", b->image);
	}
	IGNORE_RESULT(kf_dir_remove(b->out, NULL)); /* else the next build does */
	return r;
}
