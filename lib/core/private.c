/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Links are judged by who made them: a user may keep configurations in a folder of dot files. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/paths.h"
#include "core/private.h"
#include "core/text.h"

static int foreign(const char *what, const struct stat *st, struct kf_error *err)
{
	kf_fail(err, KF_PERMISSION, "%s belongs to user %u, this is user %u", what,
		(unsigned)st->st_uid, (unsigned)geteuid());
	if (geteuid() == 0)
		kf_error_hint(err, "run it as that user, without sudo");
	else
		kf_error_hint(err, "take it over (sudo chown -R $USER %s) or remove it", what);
	return kf_code_errno(KF_PERMISSION);
}

/* One step of the way. -ENOENT: it is not there, and so nothing behind it. */
static int check_step(const char *path, struct kf_error *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? -ENOENT : kf_fail_sys(err, errno, "%s", path);
	if (S_ISLNK(st.st_mode)) {
		if (st.st_uid != geteuid() && st.st_uid != 0)
			return foreign(path, &st, err);
		if (stat(path, &st) < 0)
			return errno == ENOENT ? -ENOENT : kf_fail_sys(err, errno, "%s", path);
	}
	if (S_ISDIR(st.st_mode) && st.st_uid != geteuid())
		return foreign(path, &st, err);
	if ((S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) && st.st_mode & S_IWOTH) {
		kf_fail(err, KF_PERMISSION, "everybody may write to %s", path);
		kf_error_hint(err, "look what is in it, then: chmod o-w %s", path);
		return kf_code_errno(KF_PERMISSION);
	}
	return 0;
}

/* The length of the folder of ours that path lies in, or 0. */
static size_t ours(const char *path)
{
	static const enum kf_dir dirs[] = { KF_DIR_CONFIG, KF_DIR_CACHE, KF_DIR_STATE };
	char base[PATH_MAX];
	size_t len;

	for (size_t i = 0; i < KF_ARRAY_SIZE(dirs); i++) {
		if (kf_path(dirs[i], base, NULL, "%s", "") < 0)
			continue;
		len = strlen(base);
		if (strncmp(path, base, len) == 0 && (path[len] == '/' || path[len] == '\0'))
			return len;
	}
	return 0;
}

int kf_private_check(const char *path, struct kf_error *err)
{
	size_t at = ours(path), len = strlen(path);
	char part[PATH_MAX];
	int r;

	while (at > 0 && at <= len) {
		if (!kf_text_format(part, sizeof(part), "%.*s", (int)at, path))
			return kf_fail_sys(err, ENAMETOOLONG, "%.64s...", path);
		r = check_step(part, err);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		at++;
		at += strcspn(path + (at < len ? at : len), "/");
	}
	return 0;
}
