/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Kept firmware. A new build is put together in ".new" and renamed; the same image built
 * again refreshes its folder's files, each replaced whole. Then "latest" is replaced.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "board/board.h"
#include "build/kept.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/text.h"
#include "firmware/image.h"

enum { ID_LEN = 12, LOCK_MS = 5000, CONFIG_MAX = 1 << 20, JSON_MAX = 1 << 16 };

/* The board's folder, or what is below it. */
static int kept_path(char ret[PATH_MAX], const char *key, const char *below, struct kf_error *err)
{
	if (!kf_key_valid(key))
		return kf_fail(err, KF_INTERNAL, "\"%s\" is not a board's key", key);
	return kf_path(KF_DIR_STATE, ret, err, "firmware/%s%s%s", key, *below ? "/" : "", below);
}

static bool id_valid(const char *id)
{
	return strlen(id) == ID_LEN && strspn(id, "0123456789abcdef") == ID_LEN;
}

/* "klipper.bin" and so on; false for a format that we do not know. */
static bool image_name(const json_t *firmware, char *ret, size_t size)
{
	const char *format = json_string_value(json_object_get(firmware, "format"));

	for (enum kf_format f = 0; format && f < KF_FORMAT_COUNT; f++)
		if (strcmp(format, kf_format_name(f)) == 0)
			return kf_text_format(ret, size, "klipper.%s", format);
	return false;
}

/* A copy of firmware.json with the members that a record has, and the path. */
static int for_record(const json_t *firmware, const char *path, json_t **ret, struct kf_error *err)
{
	static const char *const ours[] = { "time", "tree", "config_sha256", "build" };
	json_t *obj = json_pack("{s:s}", "path", path);

	if (!obj || json_object_update_missing(obj, (json_t *)firmware) < 0) {
		json_decref(obj);
		return kf_fail(err, KF_INTERNAL, "%s: a path that is not UTF-8", path);
	}
	for (size_t i = 0; i < KF_ARRAY_SIZE(ours); i++)
		json_object_del(obj, ours[i]);
	*ret = obj;
	return 0;
}

static int write_json(const json_t *firmware, const char *path, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *obj = json_copy((json_t *)firmware);
	_cleanup_(kf_freep) char *text = NULL;
	char utc[KF_UTC_SIZE];

	kf_now_utc(utc);
	json_object_del(obj, "path");
	json_object_set_new(obj, "time", json_string(utc));
	text = json_dumps(obj, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
	return text ? kf_file_write(path, text, strlen(text), err)
		    : kf_fail(err, KF_INTERNAL, "%s: cannot be written as JSON", path);
}

/* The files of one build. */
struct files {
	const char *name, *image, *config; /* name is the kept image's */
	const json_t *firmware;
};

static int fill(const struct files *files, const char *folder, struct kf_error *err)
{
	static const char dictionary[] = "klipper.dict";
	const char *slash = strrchr(files->image, '/');
	char path[PATH_MAX], beside[PATH_MAX];
	int r;

	r = kf_path_format(path, err, "%s/%s", folder, files->name);
	if (r == 0)
		r = kf_file_copy(files->image, path, KF_IMAGE_FILE_MAX, err);
	if (r == 0)
		r = kf_path_format(path, err, "%s/.config", folder);
	if (r == 0)
		r = kf_file_copy(files->config, path, CONFIG_MAX, err);
	if (r == 0 && slash &&
	    kf_text_format(beside, sizeof(beside), "%.*s/%s", (int)(slash - files->image),
			   files->image, dictionary) &&
	    access(beside, F_OK) == 0) {
		r = kf_path_format(path, err, "%s/%s", folder, dictionary);
		if (r == 0)
			r = kf_file_copy(beside, path, KF_DICTIONARY_MAX, err);
	}
	if (r == 0)
		r = kf_path_format(path, err, "%s/firmware.json", folder);
	return r < 0 ? r : write_json(files->firmware, path, err);
}

/* Fill the folder of this image. */
static int keep_folder(const char *key, const char *id, const struct files *files,
		       struct kf_error *err)
{
	char folder[PATH_MAX], new[PATH_MAX];
	struct stat st;
	int r;

	r = kept_path(folder, key, id, err);
	if (r < 0)
		return r;
	if (lstat(folder, &st) == 0)
		return fill(files, folder, err);
	r = kept_path(new, key, ".new", err);
	if (r == 0)
		r = kf_dir_remove(new, err); /* of a process that died */
	if (r == 0)
		r = fill(files, new, err);
	if (r == 0 && rename(new, folder) < 0)
		r = kf_fail_sys(err, errno, "%s: cannot keep the firmware", folder);
	if (r < 0)
		IGNORE_RESULT(kf_dir_remove(new, NULL)); /* else the next build does */
	return r;
}

struct kept {
	char id[ID_LEN + 1];
	struct timespec time;
};

static int newest_first(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	if (x->time.tv_sec != y->time.tv_sec)
		return x->time.tv_sec < y->time.tv_sec ? 1 : -1;
	return (x->time.tv_nsec < y->time.tv_nsec) - (x->time.tv_nsec > y->time.tv_nsec);
}

static int is_build(const struct dirent *ent)
{
	return id_valid(ent->d_name);
}

static struct timespec kept_at(const char *folder, const char *id)
{
	char path[PATH_MAX];
	struct stat st;

	if (!kf_text_format(path, sizeof(path), "%s/%s/firmware.json", folder, id) ||
	    stat(path, &st) < 0)
		return (struct timespec){ 0 };
	return st.st_mtim;
}

/* The builds in folder; the caller frees them. NULL: it cannot be read. */
static struct kept *list(const char *folder, size_t *ret_count)
{
	struct dirent **names = NULL;
	struct kept *all;
	int n = scandir(folder, &names, is_build, NULL);

	if (n < 0)
		return NULL;
	all = calloc((size_t)n + 1, sizeof(*all));
	for (int i = 0; i < n; i++) {
		if (all) {
			KF_COPY(all[i].id, names[i]->d_name);
			all[i].time = kept_at(folder, all[i].id);
		}
		free(names[i]);
	}
	free(names);
	*ret_count = (size_t)n;
	return all;
}

/* Old builds are a convenience: one that cannot be removed does not fail the new one. */
static void prune(const char *folder, const char *latest)
{
	size_t count = 0;
	_cleanup_(kf_freep) struct kept *all = list(folder, &count);
	char path[PATH_MAX];

	if (!all)
		return;
	qsort(all, count, sizeof(*all), newest_first);
	for (size_t i = KF_KEPT_MAX; i < count; i++)
		if (strcmp(all[i].id, latest) != 0 &&
		    kf_path_format(path, NULL, "%s/%s", folder, all[i].id) == 0)
			IGNORE_RESULT(kf_dir_remove(path, NULL));
}

int kf_kept_add(const char *key, const char *image, const char *config, const json_t *firmware,
		json_t **ret, struct kf_error *err)
{
	const char *sha256 = json_string_value(json_object_get(firmware, "sha256"));
	char id[ID_LEN + 1], name[32], folder[PATH_MAX], path[PATH_MAX], line[ID_LEN + 2];
	const struct files files = {
		.name = name, .image = image, .config = config, .firmware = firmware
	};
	_cleanup_(kf_closep) int lock = -1;
	int r;

	if (!sha256 || strlen(sha256) != KF_HEX_SIZE - 1 ||
	    !image_name(firmware, name, sizeof(name)))
		return kf_fail(err, KF_INTERNAL, "firmware without sha256 or format");
	kf_text_format(id, sizeof(id), "%.*s", ID_LEN, sha256);
	r = kept_path(path, key, "lock", err);
	if (r == 0)
		r = kf_lock_take(path, kf_now_ms() + LOCK_MS, &lock, err);
	if (r == 0)
		r = keep_folder(key, id, &files, err);
	if (r == 0)
		r = kept_path(path, key, "latest", err);
	if (r < 0)
		return r;
	kf_text_format(line, sizeof(line), "%s\n", id);
	r = kf_file_write(path, line, strlen(line), err);
	if (r == 0)
		r = kept_path(folder, key, "", err);
	if (r < 0)
		return r;
	prune(folder, id);
	r = kept_path(folder, key, id, err);
	if (r == 0)
		r = kf_path_format(path, err, "%s/%s", folder, name);
	return r < 0 ? r : for_record(firmware, path, ret, err);
}

/* The newest build's folder. */
static int latest_folder(const char *key, char ret[PATH_MAX], struct kf_error *err)
{
	_cleanup_(kf_freep) char *id = NULL;
	char path[PATH_MAX];
	size_t len;
	int r;

	r = kept_path(path, key, "latest", err);
	if (r < 0)
		return r;
	r = kf_file_read(path, ID_LEN + 1, &id, &len, err);
	if (r == -ENOENT)
		return kf_fail(err, KF_NO_FIRMWARE, "no firmware has been built for %s yet", key);
	if (r < 0)
		return r;
	id[strcspn(id, "\n")] = '\0';
	if (!id_valid(id))
		return kf_fail(err, KF_NO_FIRMWARE, "%s names no build", path);
	return kept_path(ret, key, id, err);
}

static int read_json(const char *folder, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_MAX];
	json_error_t je;
	size_t len = 0;
	json_t *obj;
	int r;

	r = kf_path_format(path, err, "%s/firmware.json", folder);
	if (r == 0)
		r = kf_file_read(path, JSON_MAX, &text, &len, err);
	if (r == -ENOENT)
		return kf_fail(err, KF_NO_FIRMWARE, "%s is missing", path);
	if (r < 0)
		return r;
	obj = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
	if (!json_is_object(obj)) {
		json_decref(obj);
		return kf_fail(err, KF_NO_FIRMWARE, "%s is damaged", path);
	}
	*ret = obj;
	return 0;
}

/* The firmware.json of one build, after a check of its image, and the path of the image. */
static int check_build(const char *folder, char path[PATH_MAX], json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *obj = NULL;
	char image[32], sha256[KF_HEX_SIZE];
	const char *want;
	int r;

	r = read_json(folder, &obj, err);
	if (r < 0)
		return r;
	want = json_string_value(json_object_get(obj, "sha256"));
	if (!want || !image_name(obj, image, sizeof(image)))
		return kf_fail(err, KF_NO_FIRMWARE, "%s/firmware.json is damaged", folder);
	r = kf_path_format(path, err, "%s/%s", folder, image);
	if (r == 0)
		r = kf_file_sha256(path, sha256, err);
	if (r == -ENOENT)
		return kf_fail(err, KF_NO_FIRMWARE, "%s is missing", path);
	if (r < 0)
		return r;
	if (strcmp(sha256, want) != 0)
		return kf_fail(err, KF_NO_FIRMWARE, "%s has changed since it was built", path);
	*ret = TAKE_PTR(obj);
	return 0;
}

int kf_kept_latest(const char *key, const char *build, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *obj = NULL;
	char folder[PATH_MAX], path[PATH_MAX];
	const char *from;
	int r = latest_folder(key, folder, err);

	if (r == 0)
		r = check_build(folder, path, &obj, err);
	if (r < 0)
		return r;
	from = json_string_value(json_object_get(obj, "build"));
	if (build && (!from || strcmp(from, build) != 0))
		return kf_fail(err, KF_NO_FIRMWARE, "%s is of another build key", folder);
	json_object_set_new(obj, "reused", json_true());
	return for_record(obj, path, ret, err);
}

int kf_kept_check(const char *key, size_t *ret_count, struct kf_error *err)
{
	_cleanup_(kf_freep) struct kept *all = NULL;
	char folder[PATH_MAX], build[PATH_MAX], path[PATH_MAX];
	size_t count = 0;
	int r;

	r = kept_path(folder, key, "", err);
	if (r < 0)
		return r;
	all = list(folder, &count);
	for (size_t i = 0; all && r == 0 && i < count; i++) {
		_cleanup_(kf_json_decrefp) json_t *obj = NULL;

		r = kf_path_format(build, err, "%s/%s", folder, all[i].id);
		if (r == 0)
			r = check_build(build, path, &obj, err);
	}
	if (r < 0)
		return r;
	*ret_count = count;
	return 0;
}

int kf_kept_find(const char *key, const char *sha256, char ret_image[PATH_MAX],
		 char ret_config[PATH_MAX], struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *obj = NULL;
	char id[ID_LEN + 1], folder[PATH_MAX], is[KF_HEX_SIZE];
	const char *kept, *config;
	int r;

	kf_text_format(id, sizeof(id), "%.*s", ID_LEN, sha256);
	r = kept_path(folder, key, id, err);
	if (r == 0)
		r = kf_path_format(ret_config, err, "%s/.config", folder);
	if (r < 0)
		return r;
	if (access(folder, F_OK) < 0)
		return kf_fail(err, KF_NO_FIRMWARE, "the image was not built for %s", key);
	r = check_build(folder, ret_image, &obj, err);
	if (r < 0)
		return r;
	kept = json_string_value(json_object_get(obj, "sha256"));
	config = json_string_value(json_object_get(obj, "config_sha256"));
	if (strcmp(kept, sha256) != 0 || !config)
		return kf_fail(err, KF_NO_FIRMWARE, "%s has another image", folder);
	r = kf_file_sha256(ret_config, is, err);
	if (r == 0 && strcmp(is, config) != 0)
		r = kf_fail(err, KF_NO_FIRMWARE, "%s has changed since it was built", ret_config);
	return r;
}
