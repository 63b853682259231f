/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A write changes a file completely or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/paths.h"

int kf_dir_make(const char *path, struct kf_error *err)
{
	char part[PATH_MAX];
	struct stat st;
	int r;

	r = kf_path_format(part, err, "%s", path);
	if (r == 0)
		r = kf_path_check(path, err);
	if (r < 0)
		return r;
	for (char *p = part + 1;; p++) {
		char was = *p;

		if (was != '/' && was != '\0')
			continue;
		*p = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return kf_fail_sys(err, errno, "%s: cannot make the folder", part);
		*p = was;
		if (was == '\0')
			break;
	}
	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		return kf_fail_sys(err, ENOTDIR, "%s", path);
	return 0;
}

/* The folder of path, "." if it has none. */
static int folder_of(const char *path, char ret[PATH_MAX], struct kf_error *err)
{
	const char *slash = strrchr(path, '/');
	int len = !slash ? 0 : slash == path ? 1 : (int)(slash - path);

	return kf_path_format(ret, err, "%.*s", len ? len : 1, len ? path : ".");
}

int kf_dir_make_parent(const char *path, struct kf_error *err)
{
	char folder[PATH_MAX];
	int r = folder_of(path, folder, err);

	return r < 0 ? r : kf_dir_make(folder, err);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path) < 0 && errno != ENOENT ? -errno : 0;
}

int kf_dir_remove(const char *path, struct kf_error *err)
{
	int r = kf_path_check(path, err);

	if (r < 0)
		return r;
	r = nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (r == -1)
		r = errno == ENOENT ? 0 : -errno;
	return r < 0 ? kf_fail_sys(err, -r, "%s: cannot remove", path) : 0;
}

/* The path is a folder, a pipe or a device, not a file. */
static int fail_no_file(const char *path, struct kf_error *err)
{
	kf_fail(err, KF_IO, "%s: not a regular file", path);
	return kf_error_hint(err, "name another file, or move this one away");
}

int kf_file_open(const char *path, struct stat *st, struct kf_error *err)
{
	int fd, r;

	r = kf_path_check(path, err);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return kf_fail_sys(err, errno, "%s", path);
	if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode)) {
		close(fd);
		return fail_no_file(path, err);
	}
	return fd;
}

int kf_file_log(const char *path, int how, struct kf_error *err)
{
	struct stat st;
	int fd, r;

	r = kf_dir_make_parent(path, err);
	if (r < 0)
		return r;
	/* O_NONBLOCK: to open a FIFO in its place would wait for a reader. */
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | how, 0600);
	if (fd < 0 && errno != ENXIO)
		return kf_fail_sys(err, errno, "%s: cannot write", path);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		kf_closep(&fd);
		return fail_no_file(path, err);
	}
	return fd;
}

int kf_file_read(const char *path, size_t max_bytes, char **ret, size_t *ret_len,
		 struct kf_error *err)
{
	_cleanup_(kf_freep) char *data = NULL;
	_cleanup_(kf_closep) int fd = -1;
	struct stat st;
	size_t len = 0;
	ssize_t n;

	fd = kf_file_open(path, &st, err);
	if (fd < 0)
		return fd;
	if ((uintmax_t)st.st_size > max_bytes)
		return kf_fail_sys(err, EFBIG, "%s: %jd bytes, at most %zu", path,
				   (intmax_t)st.st_size, max_bytes);
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return kf_fail_sys(err, ENOMEM, "%s", path);
	while (len < (size_t)st.st_size) {
		n = read(fd, data + len, (size_t)st.st_size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return kf_fail_sys(err, errno, "%s", path);
		if (n == 0)
			break;
		len += (size_t)n;
	}
	data[len] = '\0';
	*ret = TAKE_PTR(data);
	*ret_len = len;
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, data, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int sync_folder(const char *folder)
{
	_cleanup_(kf_closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || (fsync(fd) < 0 && errno != EINVAL) ? -errno : 0;
}

/*
 * Refuse a device or a pipe, which a rename would replace with a file. A link is replaced, not its
 * target. Returns the mode that the new file gets, or an error.
 */
static int mode_after(const char *path, struct kf_error *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0600 : kf_fail_sys(err, errno, "%s", path);
	if (S_ISREG(st.st_mode))
		return st.st_mode & 0777;
	return S_ISLNK(st.st_mode) ? 0600 : fail_no_file(path, err);
}

int kf_file_write(const char *path, const void *data, size_t len, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = -1;
	char folder[PATH_MAX], temp[PATH_MAX];
	int mode, r;

	mode = mode_after(path, err);
	if (mode < 0)
		return mode;
	r = folder_of(path, folder, err);
	if (r < 0)
		return r;
	r = kf_dir_make(folder, err);
	if (r == 0)
		r = kf_path_format(temp, err, "%s.XXXXXX", path);
	if (r < 0)
		return r;
	fd = mkostemp(temp, O_CLOEXEC); /* 0600, O_EXCL */
	if (fd < 0)
		return kf_fail_sys(err, errno, "%s: cannot write to its folder", path);
	r = fchmod(fd, (mode_t)mode) < 0 ? -errno : write_all(fd, data, len);
	if (r == 0 && rename(temp, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(temp);
		return kf_fail_sys(err, -r, "%s: cannot write", path);
	}
	r = sync_folder(folder);
	return r < 0 ? kf_fail_sys(err, -r, "%s: cannot sync", folder) : 0;
}

int kf_file_copy(const char *src, const char *dst, size_t max_bytes, struct kf_error *err)
{
	_cleanup_(kf_freep) char *data = NULL;
	size_t len = 0;
	int r;

	r = kf_file_read(src, max_bytes, &data, &len, err);
	return r < 0 ? r : kf_file_write(dst, data, len, err);
}
