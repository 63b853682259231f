/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One board's build. It goes on in its output folder only where make can tell what changed
 * (klipper/stamp.h); else it starts from nothing: the folder is emptied first. The stamp is removed
 * before make and written after everything was checked, so an end in between means: from nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/text.h"
#include "klipper/build.h"
#include "klipper/product.h"
#include "klipper/room.h"
#include "klipper/store.h"

void kf_work_free(struct kf_work *w)
{
	kf_kconfig_free(&w->kconfig);
	kf_closep(&w->lock);
	kf_closep(&w->log_fd);
	w->lock = w->log_fd = -1;
}

static int log_path(const char *key, char ret[PATH_MAX], struct kf_error *err)
{
	return kf_path(KF_DIR_STATE, ret, err, "logs/%s-build.log", key);
}

int kf_build_paths(const char *key, char out[PATH_MAX], char config[PATH_MAX], struct kf_error *err)
{
	int r = kf_path(KF_DIR_CACHE, config, err, "build/%s/.config", key);

	return r < 0 ? r : kf_path(KF_DIR_CACHE, out, err, "build/%s/out/", key);
}

static int find_paths(struct kf_work *w, struct kf_error *err)
{
	const char *key = w->build->key;
	int r = kf_build_paths(key, w->out, w->config, err);

	if (r == 0)
		r = kf_path(KF_DIR_CACHE, w->lock_path, err, "build/%s/lock", key);
	if (r == 0)
		r = kf_path(KF_DIR_CACHE, w->dictionary, err, "build/%s/out/klipper.dict", key);
	return r < 0 ? r : log_path(key, w->log, err);
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

void kf_build_plan(struct kf_work *work, const char toolchain[KF_HEX_SIZE])
{
	const struct kf_build *build = work->build;

	kf_stamp_of(build->tree, build->revision, build->snapshot, build->config_sha256, toolchain,
		    &work->stamp);
}

/* As people read them: rounded to tenths. */
static double seconds(int64_t ms)
{
	int64_t tenths = (ms + 50) / 100;

	return (double)tenths / 10;
}

double kf_build_seconds(const struct kf_work *w)
{
	return seconds(kf_now_ms() - w->started_ms);
}

int kf_build_reuse(const struct kf_work *w, json_t **ret)
{
	struct kf_stamp stamp;

	/* The folder must be this build's too: make flash takes what is there. */
	if (w->build->clean || !kf_stamp_load(w->out, &stamp) ||
	    strcmp(stamp.build, w->stamp.build) != 0 ||
	    !kf_store_reuse(w->build->key, w->stamp.build, ret))
		return 0;
	json_object_set_new(*ret, "seconds", json_real(kf_build_seconds(w)));
	return 1;
}

/* The board's folder, which may be a link to that of a board whose build it shared. */
static int own_folder(const struct kf_work *w, struct kf_error *err)
{
	char path[PATH_MAX];
	struct stat st;
	int r = kf_path(KF_DIR_CACHE, path, err, "build/%s", w->build->key);

	if (r < 0 || lstat(path, &st) < 0 || !S_ISLNK(st.st_mode) || unlink(path) == 0)
		return r;
	return kf_fail_sys(err, errno, "%s", path);
}

static bool same_config(const struct kf_work *w)
{
	char sha256[KF_HEX_SIZE];

	return kf_file_sha256(w->config, sha256, NULL) == 0 &&
	       strcmp(sha256, w->build->config_sha256) == 0;
}

/* Leave what make can go on with, or nothing. Rewriting the configuration outdates it all. */
static int prepare_out(const struct kf_work *w, struct kf_error *err)
{
	bool on = !w->build->clean && same_config(w) &&
		  kf_stamp_continue(w->out, &w->stamp, w->build->snapshot);
	int r;

	if (on)
		return kf_stamp_remove(w->out, err);
	r = kf_file_write(w->config, w->kconfig.text, w->kconfig.len, err);
	return r < 0 ? r : kf_dir_remove(w->out, err);
}

static int prepare(struct kf_work *w, struct kf_error *err)
{
	int r;

	r = own_folder(w, err);
	if (r == 0)
		r = kf_lock_take(w->lock_path, 0, &w->lock, err);
	if (r == 0)
		r = prepare_out(w, err);
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

/* What make's end means. */
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

/* Was the tree the same all the time? Else this firmware is of neither state. */
static bool undisturbed(const struct kf_work *w)
{
	_cleanup_(kf_snapshot_free) struct kf_snapshot now = { 0 };

	return kf_snapshot_take(w->build->tree->dir, w->build->memory, &now, NULL) == 0 &&
	       strcmp(now.sha256, w->build->snapshot->sha256) == 0;
}

static int keep(struct kf_work *w, const struct kf_image *image, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *firmware = NULL;
	bool again = undisturbed(w);
	struct kf_store_item item = {
		.key = w->build->key,
		.image = w->image_path,
		.dictionary = access(w->dictionary, F_OK) == 0 ? w->dictionary : NULL,
		.config = w->config,
		.tree = w->build->tree->dir,
		.config_sha256 = w->build->config_sha256,
		.build = again ? w->stamp.build : NULL,
	};
	int r;

	firmware = kf_product_describe(w, image);
	if (!firmware)
		return kf_fail(err, KF_INTERNAL, "%s cannot be described", w->image_path);
	item.firmware = firmware;
	r = kf_store_keep(&item, ret, err);
	if (r == 0 && again)
		kf_stamp_save(w->out, &w->stamp, w->build->memory);
	return r;
}

int kf_build_finish(struct kf_work *w, int waited, int status, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_image_free) struct kf_image image = { 0 };
	int r = judge_make(w, waited, status, err);

	if (r == 0)
		r = kf_product_check(w, &image, err);
	return r < 0 ? r : keep(w, &image, ret, err);
}

/* Where the other's files are is where this board's will be looked for. */
static int link_folder(struct kf_work *w, const char *key, struct kf_error *err)
{
	char path[PATH_MAX];
	int r = kf_path(KF_DIR_CACHE, path, err, "build/%s", w->build->key);

	if (r == 0)
		r = own_folder(w, err); /* not to wait for the other's lock */
	if (r == 0)
		r = kf_lock_take(w->lock_path, 0, &w->lock, err);
	if (r == 0)
		r = kf_dir_remove(path, err);
	if (r == 0 && symlink(key, path) < 0)
		r = kf_fail_sys(err, errno, "%s", path);
	return r;
}

int kf_build_share(struct kf_work *w, const char *key, const json_t *firmware, json_t **ret,
		   struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *own = json_copy((json_t *)firmware);
	const char *image = json_string_value(json_object_get(firmware, "path"));
	struct kf_store_item item = {
		.key = w->build->key,
		.image = image,
		.config = w->build->config,
		.tree = w->build->tree->dir,
		.config_sha256 = w->build->config_sha256,
		.build = w->stamp.build,
		.firmware = own,
	};
	int r = link_folder(w, key, err);

	if (r < 0 || !image || !own)
		return r < 0 ? r : kf_fail(err, KF_INTERNAL, "firmware without a path");
	if (access(w->dictionary, F_OK) == 0)
		item.dictionary = w->dictionary;
	json_object_del(own, "path");
	json_object_set_new(own, "seconds", json_real(kf_build_seconds(w)));
	return kf_store_keep(&item, ret, err);
}
