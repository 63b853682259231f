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

enum { MODULE_MAX = 1 << 20 };

int kf_linked_path(const char *tree_dir, char ret[PATH_MAX], struct kf_error *err)
{
	char name[KF_HEX_SIZE];

	kf_sha256(tree_dir, strlen(tree_dir), name);
	return kf_path(KF_DIR_CACHE, ret, err, "linked/%.16s", name);
}

#define SPI_FLASH "scripts/spi_flash"
#define CHELPER	  "klippy/chelper"

static bool is_below(const char *name, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(name, folder, len) == 0 && (!name[len] || name[len] == '/');
}

/*
 * Is this path of the tree a folder of our own, not a link? "make flash" builds its programs in
 * three folders of the tree's lib/. flash-sdcard.sh builds fatfs.so and, like Klippy, c_helper.so,
 * each beside its modules.
 */
static bool is_own(const char *name)
{
	static const char *const built_in[] = { "lib/bossac", "lib/hidflash", "lib/rp2040_flash",
						SPI_FLASH, CHELPER };

	if (!*name || strcmp(name, "lib") == 0 || strcmp(name, "scripts") == 0 ||
	    strcmp(name, "klippy") == 0)
		return true;
	for (size_t i = 0; i < KF_ARRAY_SIZE(built_in); i++)
		if (is_below(name, built_in[i]))
			return true;
	return false;
}

/* Files that a build in the tree left: they are not source. */
static bool is_object(const char *name)
{
	static const char *const ends[] = { ".o", ".d", ".so", ".pyc" };
	const char *suffix = strrchr(name, '.');

	for (size_t i = 0; suffix && i < KF_ARRAY_SIZE(ends); i++)
		if (strcmp(suffix, ends[i]) == 0)
			return true;
	return false;
}

static int drop_link(const char *path, struct kf_error *err)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && unlink(path) < 0
		       ? kf_fail_sys(err, errno, "%s", path)
		       : 0;
}

/* Make `to` a link to `from`. An older link is replaced; a file there was built here, and stays. */
static int link_to(const char *from, const char *to, struct kf_error *err)
{
	int r = drop_link(to, err);

	if (r < 0)
		return r;
	return symlink(from, to) < 0 && errno != EEXIST ? kf_fail_sys(err, errno, "%s", to) : 0;
}

/*
 * Python follows a link to a module and looks for the others there, so these are copies. Each has
 * its file's time: by that flash-sdcard.sh knows whether its library is older.
 */
static int copy_module(const FTSENT *entry, const char *to, struct kf_error *err)
{
	const struct timespec times[] = { entry->fts_statp->st_mtim, entry->fts_statp->st_mtim };
	int r = kf_file_copy(entry->fts_path, to, MODULE_MAX, err);

	if (r == 0 && utimensat(AT_FDCWD, to, times, 0) < 0)
		r = kf_fail_sys(err, errno, "%s", to);
	return r;
}

static int link_entry(FTS *walk, FTSENT *entry, const char *name, const char *folder,
		      struct kf_error *err)
{
	char to[PATH_MAX];
	int r;

	if (entry->fts_info == FTS_DP)
		return 0;
	if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
		return kf_fail_sys(err, entry->fts_errno, "%s", entry->fts_path);
	r = kf_path_format(to, err, "%s/%s", folder, name);
	if (r < 0)
		return r;
	if (entry->fts_info == FTS_D && is_own(name)) {
		r = drop_link(to, err);
		return r < 0 ? r : kf_dir_make(to, err);
	}
	fts_set(walk, entry, FTS_SKIP);
	if (is_own(name) && is_object(name))
		return 0;
	return is_below(name, SPI_FLASH) || is_below(name, CHELPER)
		       ? copy_module(entry, to, err)
		       : link_to(entry->fts_path, to, err);
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
		return kf_fail(err, KF_BUSY, "another flash is using %s", tree->dir);
	if (r < 0)
		return kf_fail_sys(err, -r, "%s", linked.dir);
	r = link_all(tree, linked.dir, err);
	if (r < 0)
		return r;
	*ret = linked;
	*lock = TAKE_FD(fd);
	return 0;
}
