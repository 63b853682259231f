/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Three hashes and a time in a line, and beside it the snapshot's file as it was. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"
#include "klipper/image.h"
#include "klipper/stamp.h"

#define HEADER "kalico-flash build 1"

enum { STAMP_MAX = 1024, NAME_LEN_MAX = 32 };

static const char stamp_name[] = ".kf-stamp", sources_name[] = ".kf-sources";

static int in_out(const char *out, const char *name, char ret[PATH_MAX])
{
	return kf_text_format(ret, PATH_MAX, "%s%s", out, name) ? 0 : -ENAMETOOLONG;
}

/* The strings one after the other, each with its end. */
static void hash(const char *const *texts, size_t count, char ret[KF_HEX_SIZE])
{
	char all[PATH_MAX + 1024];
	size_t len = 0, n;

	for (size_t i = 0; i < count; i++, len += n) {
		n = strlen(texts[i]) + 1;
		if (n > sizeof(all) - len)
			n = sizeof(all) - len;
		memcpy(all + len, texts[i], n);
	}
	kf_sha256(all, len, ret);
}

void kf_stamp_of(const struct kf_tree *tree, const char *revision,
		 const struct kf_snapshot *snapshot, const char *config_sha256,
		 const char *toolchain, struct kf_stamp *ret)
{
	const char *const base[] = { HEADER, tree->dir, config_sha256, toolchain };
	const char *const build[] = { ret->base, snapshot->sha256, revision };

	*ret = (struct kf_stamp){ 0 };
	hash(base, KF_ARRAY_SIZE(base), ret->base);
	memcpy(ret->source, snapshot->sha256, sizeof(ret->source));
	hash(build, KF_ARRAY_SIZE(build), ret->build);
}

bool kf_stamp_load(const char *out, struct kf_stamp *ret)
{
	_cleanup_(kf_freep) char *text = NULL;
	struct kf_stamp stamp;
	char path[PATH_MAX];
	size_t len;

	if (in_out(out, stamp_name, path) < 0 ||
	    kf_file_read(path, STAMP_MAX, &text, &len, NULL) < 0 ||
	    sscanf(text, HEADER " %64s %64s %64s %" SCNd64, stamp.base, stamp.source, stamp.build,
		   &stamp.built_ns) != 4)
		return false;
	*ret = stamp;
	return true;
}

void kf_stamp_save(const char *out, struct kf_stamp *stamp, const char *memory)
{
	char path[PATH_MAX], text[STAMP_MAX];
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	stamp->built_ns = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
	/* The memory is only ever replaced, so a second name keeps it as it is. */
	if (in_out(out, sources_name, path) < 0 || (unlink(path) < 0 && errno != ENOENT) ||
	    (link(memory, path) < 0 && errno != ENOENT) || in_out(out, stamp_name, path) < 0)
		return;
	kf_text_format(text, sizeof(text), HEADER " %s %s %s %" PRId64 "\n", stamp->base,
		       stamp->source, stamp->build, stamp->built_ns);
	if (kf_file_write(path, text, strlen(text), NULL) < 0)
		return;
}

int kf_stamp_remove(const char *out, struct kf_error *err)
{
	char path[PATH_MAX];

	if (in_out(out, stamp_name, path) < 0)
		return kf_fail_sys(err, ENAMETOOLONG, "%.64s...", out);
	return unlink(path) < 0 && errno != ENOENT ? kf_fail_sys(err, errno, "%s", path) : 0;
}

/*
 * make decides by times: it would keep the dictionary and all that follows from it although git
 * describes another version now.
 */
static bool forget_version(const char *out)
{
	static const char *const names[] = { "compile_time_request.o", "klipper.dict",
					     "klipper.elf" };
	char path[PATH_MAX], name[NAME_LEN_MAX];

	for (size_t i = 0; i < KF_ARRAY_SIZE(names); i++)
		if (in_out(out, names[i], path) < 0 || (unlink(path) < 0 && errno != ENOENT))
			return false;
	for (enum kf_format f = 0; f < KF_FORMAT_COUNT; f++) {
		kf_text_format(name, sizeof(name), "klipper.%s", kf_format_name(f));
		if (in_out(out, name, path) < 0 || (unlink(path) < 0 && errno != ENOENT))
			return false;
	}
	return true;
}

bool kf_stamp_continue(const char *out, const struct kf_stamp *want, const struct kf_snapshot *now)
{
	_cleanup_(kf_snapshot_free) struct kf_snapshot was = { 0 };
	struct kf_stamp stamp;
	char path[PATH_MAX];

	return kf_stamp_load(out, &stamp) && strcmp(stamp.base, want->base) == 0 &&
	       in_out(out, sources_name, path) == 0 && kf_snapshot_load(path, &was) == 0 &&
	       strcmp(was.sha256, stamp.source) == 0 &&
	       kf_snapshot_follows(&was, stamp.built_ns, now) && forget_version(out);
}
