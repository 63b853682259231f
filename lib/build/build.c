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
#include <unistd.h>

#include "board/identity.h"
#include "build/build.h"
#include "build/kept.h"
#include "build/room.h"
#include "build/source.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/text.h"
#include "firmware/chip.h"
#include "firmware/image-check.h"
#include "firmware/image.h"

void kf_work_free(struct kf_work *w)
{
	kf_kconfig_free(&w->kconfig);
	kf_closep(&w->lock);
	kf_closep(&w->log_fd);
	w->lock = w->log_fd = -1;
}

static int find_paths(struct kf_work *w, struct kf_error *err)
{
	const char *key = w->build->key;
	int r = kf_path(KF_DIR_CACHE, w->config, err, "build/%s/.config", key);

	if (r == 0)
		r = kf_path(KF_DIR_CACHE, w->out, err, "build/%s/out/", key);
	if (r == 0)
		r = kf_path(KF_DIR_CACHE, w->lock_path, err, "build/%s/lock", key);
	if (r == 0)
		r = kf_path(KF_DIR_CACHE, w->dictionary, err, "build/%s/out/klipper.dict", key);
	return r < 0 ? r : kf_path(KF_DIR_STATE, w->log, err, "logs/%s-build.log", key);
}

/* The saved configuration is the one that was checked: its bytes are the record's. */
static int load_config(struct kf_work *w, struct kf_error *err)
{
	char sha256[KF_HEX_SIZE];
	int r = kf_kconfig_load(w->build->config, &w->kconfig, err);

	if (r < 0)
		return r;
	kf_sha256(w->kconfig.text, w->kconfig.len, sha256);
	if (strcmp(sha256, w->build->config_sha256) == 0)
		return 0;
	kf_fail(err, KF_CONFIG, "%s has changed since it was checked", w->build->config);
	kf_error_hint(err, "run kf-config again");
	return kf_code_errno(KF_CONFIG);
}

int kf_build_open(const struct kf_build *build, struct kf_work *ret, struct kf_error *err)
{
	int r;

	*ret = (struct kf_work){
		.build = build, .lock = -1, .log_fd = -1, .started_ms = kf_now_ms()
	};
	r = find_paths(ret, err);
	return r < 0 ? r : load_config(ret, err);
}

void kf_build_key(struct kf_work *w, const char source[KF_HEX_SIZE],
		  const char compiler[KF_HEX_SIZE])
{
	char all[4 * KF_HEX_SIZE + 32];

	kf_text_format(all, sizeof(all), "kalico-flash 2\n%s\n%s\n%s\n", source,
		       w->build->config_sha256, compiler);
	memcpy(w->source, source, sizeof(w->source));
	kf_sha256(all, strlen(all), w->build_key);
}

/* As people read them: rounded to tenths. */
static double seconds(int64_t ms)
{
	int64_t tenths = (ms + 50) / 100;

	return (double)tenths / 10;
}

static double build_seconds(const struct kf_work *w)
{
	return seconds(kf_now_ms() - w->started_ms);
}

int kf_build_reuse(const struct kf_work *w, json_t **ret)
{
	if (w->build->clean || !kf_kept_reuse(w->build->key, w->build_key, ret))
		return 0;
	json_object_set_new(*ret, "seconds", json_real(build_seconds(w)));
	return 1;
}

static int prepare(struct kf_work *w, struct kf_error *err)
{
	int r = kf_lock_take(w->lock_path, 0, &w->lock, err);

	if (r == 0)
		r = kf_dir_remove(w->out, err); /* of a build that was killed */
	if (r == 0)
		r = kf_file_write(w->config, w->kconfig.text, w->kconfig.len, err);
	if (r == 0)
		r = kf_dir_make_parent(w->log, err);
	if (r < 0)
		return r;
	w->log_fd = open(w->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return w->log_fd < 0 ? kf_fail_sys(err, errno, "%s: cannot write", w->log) : 0;
}

int kf_build_start(struct kf_work *w, pid_t *ret, struct kf_error *err)
{
	struct kf_make make = {
		.tree = w->build->tree,
		.out = w->out,
		.config = w->config,
		.jobserver = w->build->jobserver,
		.compile = true,
		.tty = -1,
	};
	int r = prepare(w, err);

	if (r < 0)
		return r;
	make.log_fd = w->log_fd;
	r = kf_tree_make_start(&make, ret, err);
	w->started_ms = kf_now_ms();
	return r;
}

/* Turn make's exit status into the result of the build. */
static int judge_make(const struct kf_work *w, int waited, int status, struct kf_error *err)
{
	int r = waited;

	if (r == -ETIMEDOUT) {
		kf_fail(err, KF_TIMEOUT, "make did not end within %g s",
			seconds(w->build->timeout_ms));
		kf_error_hint(err, "give it more time: kf --build-timeout=SECONDS, or kf-build "
				   "--timeout=SECONDS");
	} else if (r == 0 && status != 0) {
		r = kf_fail(err, KF_BUILD_FAILED, "make ended with status %d in %s",
			    kf_process_status(status), w->build->tree->dir);
		kf_room_blame(w->out, w->log, err);
	}
	if (r < 0 && err)
		kf_text_format(err->log, sizeof(err->log), "%s", w->log);
	return r;
}

/* In this order: what a bootloader takes comes before what only a debugger does. */
static bool find_image(struct kf_work *w)
{
	struct stat st;

	for (enum kf_format f = 0; f < KF_FORMAT_COUNT; f++)
		if (kf_text_format(w->image_path, sizeof(w->image_path), "%sklipper.%s", w->out,
				   kf_format_name(f)) &&
		    lstat(w->image_path, &st) == 0 && S_ISREG(st.st_mode))
			return true;
	return false;
}

static int load_image(struct kf_work *w, struct kf_image *image, struct kf_error *err)
{
	int r;

	if (find_image(w))
		r = kf_image_load(w->image_path, image, err);
	else
		r = kf_fail(err, KF_BUILD_FAILED, "make succeeded, but left no firmware in %s",
			    w->out);
	if (r < 0 && err) {
		kf_error_hint(err, "is %s a Klipper or Kalico tree?", w->build->tree->dir);
		kf_text_format(err->log, sizeof(err->log), "%s", w->log);
	}
	return r;
}

static uint32_t start_of(const struct kf_work *w, const struct kf_image *image)
{
	return image->start_known ? image->start : w->kconfig.start;
}

/* Check the image's start against the configuration, if its format states a start. */
static int check_start(const struct kf_work *w, const struct kf_image *image, struct kf_error *err)
{
	const struct kf_chip *chip = kf_chip_find(image->dictionary.mcu);

	if (!chip || !image->start_known || kf_chip_starts_at(chip, image->start, w->kconfig.start))
		return 0;
	return kf_fail(err, KF_WRONG_OFFSET,
		       "the configuration says that the application starts at 0x%08x, make built "
		       "it for 0x%08x",
		       w->kconfig.start, image->start);
}

/* An image that was lying about, or a tree that changed under make's hands. */
static int check_version(const struct kf_work *w, const struct kf_image *image,
			 struct kf_error *err)
{
	const char *tree = w->build->tree->version;
	char built[KF_NAME_SIZE];

	kf_version_strip(image->dictionary.version, built);
	if (!tree[0] || strcmp(built, tree) == 0)
		return 0;
	kf_fail(err, KF_WRONG_VERSION, "make built version %s, but %s is at %s", built,
		w->build->tree->dir, tree);
	kf_error_hint(err, "if the tree was updated meanwhile, run kf-build again");
	return kf_code_errno(KF_WRONG_VERSION);
}

/*
 * make rewrites a configuration that is older than src/Kconfig, and one whose symbols
 * it does not know becomes another MCU's firmware without a word (Klipper 906431bb0).
 */
static int check_output(const struct kf_work *w, const struct kf_image *image, struct kf_error *err)
{
	const char *const files[] = { w->build->config, w->config };
	uint32_t start = start_of(w, image);
	char sha256[KF_HEX_SIZE];
	int r;

	for (size_t i = 0; i < KF_ARRAY_SIZE(files); i++) {
		r = kf_file_sha256(files[i], sha256, err);
		if (r < 0)
			return r;
		if (strcmp(sha256, w->build->config_sha256) != 0) {
			kf_fail(err, KF_CONFIG, "%s changed during the build", files[i]);
			kf_error_hint(err, "run kf-config again, then kf-build");
			return kf_code_errno(KF_CONFIG);
		}
	}
	if (!kf_mcu_same(w->kconfig.mcu, image->dictionary.mcu))
		return kf_fail(err, KF_MCU_MISMATCH,
			       "the configuration is for %s, but make built firmware for %s",
			       w->kconfig.mcu, image->dictionary.mcu);
	r = check_start(w, image, err);
	if (r == 0)
		r = kf_image_check(image, &start, err);
	if (r == 0)
		r = kf_image_check_dictionary(w->image_path, image, err);
	return r < 0 ? r : check_version(w, image, err);
}

/* The record's "firmware" member without its path; NULL: no memory, or no file. */
static json_t *describe(const struct kf_work *w, const struct kf_image *image)
{
	struct stat st;

	if (stat(w->image_path, &st) < 0)
		return NULL;
	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:I, s:b, s:f}", "format",
			 kf_format_name(image->format), "bytes", (json_int_t)st.st_size, "sha256",
			 image->sha256, "version", image->dictionary.version, "mcu",
			 image->dictionary.mcu, "start", (json_int_t)start_of(w, image), "reused",
			 0, "seconds", build_seconds(w));
}

/* Was the tree the same all the time? Else this firmware is of neither state. */
static bool undisturbed(const struct kf_work *w)
{
	char now[KF_HEX_SIZE];

	return kf_source_hash(w->build->tree, now, NULL) == 0 && strcmp(now, w->source) == 0;
}

static int keep(struct kf_work *w, const struct kf_image *image, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *firmware = describe(w, image);
	struct kf_kept_item item = {
		.key = w->build->key,
		.image = w->image_path,
		.dictionary = access(w->dictionary, F_OK) == 0 ? w->dictionary : NULL,
		.config = w->config,
		.tree = w->build->tree->dir,
		.config_sha256 = w->build->config_sha256,
		.build = undisturbed(w) ? w->build_key : NULL,
		.firmware = firmware,
	};

	if (!firmware)
		return kf_fail(err, KF_INTERNAL, "%s cannot be described", w->image_path);
	return kf_kept_add(&item, ret, err);
}

int kf_build_finish(struct kf_work *w, int waited, int status, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_image_free) struct kf_image image = { 0 };
	int r = judge_make(w, waited, status, err);

	if (r == 0)
		r = load_image(w, &image, err);
	if (r == 0)
		r = check_output(w, &image, err);
	if (r == 0)
		r = keep(w, &image, ret, err);
	IGNORE_RESULT(kf_dir_remove(w->out, NULL)); /* else the next build does */
	return r;
}

int kf_build_share(struct kf_work *w, const char *from, const json_t *firmware, json_t **ret,
		   struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *own = json_copy((json_t *)firmware), *kept = NULL;
	const char *image = json_string_value(json_object_get(firmware, "path"));
	const char *name = image ? strrchr(image, '/') : NULL;
	struct kf_kept_item item = {
		.key = w->build->key,
		.image = image,
		.config = w->build->config,
		.tree = w->build->tree->dir,
		.config_sha256 = w->build->config_sha256,
		/* Not if the tree changed while make ran: from's has no build key then. */
		.build = kf_kept_reuse(from, w->build_key, &kept) ? w->build_key : NULL,
		.firmware = own,
	};

	if (!name || !own)
		return kf_fail(err, KF_INTERNAL, "firmware without a path");
	if (kf_text_format(w->dictionary, sizeof(w->dictionary), "%.*s/klipper.dict",
			   (int)(name - image), image) &&
	    access(w->dictionary, F_OK) == 0)
		item.dictionary = w->dictionary;
	json_object_del(own, "path");
	json_object_set_new(own, "seconds", json_real(build_seconds(w)));
	return kf_kept_add(&item, ret, err);
}
