/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build/linked.h"
#include "core/file.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/text.h"

/* What is built in the tree's lib/. */
static const char *const built_in[] = { "bossac", "hidflash", "rp2040_flash" };

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int kf_linked_path(const char *tree_dir, char ret[PATH_MAX], struct kf_error *err)
{
	char name[KF_HEX_SIZE];

	kf_sha256(tree_dir, strlen(tree_dir), name);
	return kf_path(KF_DIR_CACHE, ret, err, "linked/%.16s", name);
}

static bool is_built_in(const char *name)
{
	for (size_t i = 0; i < KF_ARRAY_SIZE(built_in); i++)
		if (strcmp(name, built_in[i]) == 0)
			return true;
	return false;
}

/* What a build leaves behind is not a source: objects, and what lists their headers. */
static bool is_left_behind(const char *name)
{
	const char *suffix = strrchr(name, '.');

	return suffix && (strcmp(suffix, ".o") == 0 || strcmp(suffix, ".d") == 0);
}

/* Make to a link to from, unless it is that already. */
static int link_to(const char *from, const char *to, struct kf_error *err)
{
	char there[PATH_MAX];
	ssize_t len = readlink(to, there, sizeof(there) - 1);

	if (len >= 0) {
		there[len] = '\0';
		if (strcmp(there, from) == 0)
			return 0;
		if (unlink(to) < 0)
			return kf_fail_sys(err, errno, "%s", to);
	}
	/* A file is what was built here: it stays. */
	if (symlink(from, to) < 0 && errno != EEXIST)
		return kf_fail_sys(err, errno, "%s", to);
	return 0;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* One entry of a folder of the tree, and where it goes. */
typedef int (*link_entry)(const char *source, const char *target, const char *name,
			  struct kf_error *err);

/* Make the folder to, and link each visible entry of from there. */
static int link_folder(const char *from, const char *to, link_entry link_one, struct kf_error *err)
{
	_cleanup_(closedirp) DIR *dir = opendir(from);
	char source[PATH_MAX], target[PATH_MAX];
	const struct dirent *entry;
	int r;

	if (!dir)
		return kf_fail_sys(err, errno, "%s", from);
	r = kf_dir_make(to, err);
	while (r == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (!kf_text_format(source, sizeof(source), "%s/%s", from, entry->d_name) ||
		    !kf_text_format(target, sizeof(target), "%s/%s", to, entry->d_name))
			return kf_fail_sys(err, ENAMETOOLONG, "%.64s...", from);
		r = link_one(source, target, entry->d_name, err);
	}
	return r;
}

static int link_source(const char *source, const char *target, const char *name,
		       struct kf_error *err)
{
	if (is_left_behind(name))
		return 0;
	return is_folder(source) ? link_folder(source, target, link_source, err)
				 : link_to(source, target, err);
}

static int link_lib(const char *source, const char *target, const char *name, struct kf_error *err)
{
	return is_built_in(name) && is_folder(source)
		       ? link_folder(source, target, link_source, err)
		       : link_to(source, target, err);
}

static int link_top(const char *source, const char *target, const char *name, struct kf_error *err)
{
	return strcmp(name, "lib") == 0 && is_folder(source)
		       ? link_folder(source, target, link_lib, err)
		       : link_to(source, target, err);
}

int kf_linked_tree(const struct kf_tree *tree, int64_t deadline_ms, struct kf_tree *ret, int *lock,
		   struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = -1;
	struct kf_tree linked = *tree;
	int r = kf_linked_path(tree->dir, linked.dir, err);

	if (r == 0)
		r = kf_dir_make(linked.dir, err);
	if (r < 0)
		return r;
	fd = open(linked.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return kf_fail_sys(err, errno, "%s", linked.dir);
	r = kf_lock_fd(fd, deadline_ms);
	if (r == -EBUSY)
		return kf_fail(err, KF_BUSY, "another make flash uses %s", tree->dir);
	if (r < 0)
		return kf_fail_sys(err, -r, "%s", linked.dir);
	r = link_folder(tree->dir, linked.dir, link_top, err);
	if (r < 0)
		return r;
	*ret = linked;
	*lock = TAKE_FD(fd);
	return 0;
}
