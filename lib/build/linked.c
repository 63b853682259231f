/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build/linked.h"
#include "core/file.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/text.h"

int kf_linked_path(const char *tree_dir, char ret[PATH_MAX], struct kf_error *err)
{
	char name[KF_HEX_SIZE];

	kf_sha256(tree_dir, strlen(tree_dir), name);
	return kf_path(KF_DIR_CACHE, ret, err, "linked/%.16s", name);
}

/*
 * Is this path of the tree a folder of our own, not a link? "make flash" builds its programs in
 * three folders of the tree's lib/.
 */
static bool is_own(const char *name)
{
	static const char *const built_in[] = { "lib/bossac", "lib/hidflash", "lib/rp2040_flash" };
	size_t len;

	if (!*name || strcmp(name, "lib") == 0)
		return true;
	for (size_t i = 0; i < KF_ARRAY_SIZE(built_in); i++) {
		len = strlen(built_in[i]);
		if (strncmp(name, built_in[i], len) == 0 && (!name[len] || name[len] == '/'))
			return true;
	}
	return false;
}

/* Object files and lists of their headers: a build in the tree left them; they are not source. */
static bool is_object(const char *name)
{
	const char *suffix = strrchr(name, '.');

	return suffix && (strcmp(suffix, ".o") == 0 || strcmp(suffix, ".d") == 0);
}

/* Make to a link to from. An older link is replaced; a file was built here and stays. */
static int link_to(const char *from, const char *to, struct kf_error *err)
{
	struct stat st;

	if (lstat(to, &st) == 0 && S_ISLNK(st.st_mode) && unlink(to) < 0)
		return kf_fail_sys(err, errno, "%s", to);
	return symlink(from, to) < 0 && errno != EEXIST ? kf_fail_sys(err, errno, "%s", to) : 0;
}

static int link_entry(FTS *walk, FTSENT *entry, const char *name, const char *folder,
		      struct kf_error *err)
{
	char to[PATH_MAX];

	if (entry->fts_info == FTS_DP)
		return 0;
	if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
		return kf_fail_sys(err, entry->fts_errno, "%s", entry->fts_path);
	if (!kf_text_format(to, sizeof(to), "%s/%s", folder, name))
		return kf_fail_sys(err, ENAMETOOLONG, "%.64s...", folder);
	if (entry->fts_info == FTS_D && is_own(name))
		return kf_dir_make(to, err);
	fts_set(walk, entry, FTS_SKIP);
	return is_own(name) && is_object(name) ? 0 : link_to(entry->fts_path, to, err);
}

static int link_all(const struct kf_tree *tree, const char *folder, struct kf_error *err)
{
	char *roots[] = { (char *)tree->dir, NULL };
	FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
	const char *name;
	FTSENT *entry;
	int r = 0;

	if (!walk)
		return kf_fail_sys(err, errno, "%s", tree->dir);
	while (r == 0 && (errno = 0, entry = fts_read(walk))) {
		name = entry->fts_path + strlen(tree->dir);
		if (entry->fts_level > 0 && entry->fts_name[0] == '.')
			fts_set(walk, entry, FTS_SKIP);
		else
			r = link_entry(walk, entry, name + (*name == '/'), folder, err);
	}
	if (r == 0 && errno)
		r = kf_fail_sys(err, errno, "%s", tree->dir);
	fts_close(walk);
	return r;
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
		return kf_fail(err, KF_BUSY, "another make flash is using %s", tree->dir);
	if (r < 0)
		return kf_fail_sys(err, -r, "%s", linked.dir);
	r = link_all(tree, linked.dir, err);
	if (r < 0)
		return r;
	*ret = linked;
	*lock = TAKE_FD(fd);
	return 0;
}
