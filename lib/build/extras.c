/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * In a tree without extras each make of ours has a shared lock on src/extras, and the last one
 * removes the files. These are empty, so two makes may write them at once. The first one knows
 * whether there were any before: if there were none, it and all that come later have a shared lock
 * on src, too. In a tree with extras a make has the lock alone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <unistd.h>

#include "build/extras.h"
#include "core/lock.h"
#include "core/text.h"

static const char *const generated[] = { "Kconfig", "Makefile" };

/* An extra is a folder in path with a Kconfig (find-firmware-extras.sh). */
static bool has_extras(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool any = false;
	char name[PATH_MAX];

	while (dir && !any && (entry = readdir(dir)))
		any = entry->d_name[0] != '.' &&
		      kf_text_format(name, sizeof(name), "%s/Kconfig", entry->d_name) &&
		      faccessat(dirfd(dir), name, F_OK, 0) == 0;
	if (dir)
		closedir(dir);
	return any;
}

/* Is neither file there? Then make will be the one that wrote them. */
static bool nothing_there(int dir)
{
	for (size_t i = 0; i < KF_ARRAY_SIZE(generated); i++)
		if (faccessat(dir, generated[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return false;
	return true;
}

int kf_extras_note(const char *tree_dir, int64_t deadline_ms, struct kf_extras *ret,
		   struct kf_error *err)
{
	char path[PATH_MAX], src[PATH_MAX];
	int r;

	*ret = (struct kf_extras){ .dir = -1, .src = -1 };
	if (!kf_text_format(path, sizeof(path), "%s/src/extras", tree_dir))
		return 0;
	ret->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->dir < 0)
		return 0;
	if (!has_extras(path)) {
		if (kf_text_format(src, sizeof(src), "%s/src", tree_dir))
			ret->src = open(src, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ret->absent = flock(ret->dir, LOCK_EX | LOCK_NB) == 0
				      ? nothing_there(ret->dir)
				      : ret->src >= 0 && flock(ret->src, LOCK_EX | LOCK_NB) < 0;
		flock(ret->src, ret->absent ? LOCK_SH | LOCK_NB : LOCK_UN);
		flock(ret->dir, LOCK_SH | LOCK_NB);
		return 0;
	}
	r = kf_lock_fd(ret->dir, deadline_ms);
	ret->absent = r == 0 && nothing_there(ret->dir);
	if (r == 0)
		return 0;
	kf_closep(&ret->dir);
	ret->dir = -1;
	return r == -EINTR ? kf_fail_sys(err, EINTR, "%s", path)
			   : kf_fail(err, KF_BUSY, "another build is using %s", path);
}

void kf_extras_restore(struct kf_extras *extras)
{
	if (extras->dir < 0)
		return;
	if (extras->absent && flock(extras->dir, LOCK_EX | LOCK_NB) == 0)
		for (size_t i = 0; i < KF_ARRAY_SIZE(generated); i++)
			unlinkat(extras->dir, generated[i], 0);
	kf_closep(&extras->src);
	kf_closep(&extras->dir);
	extras->dir = -1;
}

bool kf_extras_any(const char *tree_dir)
{
	char path[PATH_MAX];

	return kf_text_format(path, sizeof(path), "%s/src/extras", tree_dir) && has_extras(path);
}
