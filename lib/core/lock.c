/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Locks by flock(2): they die with their holder. flock cannot wait with a deadline,
 * so a signal-free wait polls the lock a few times a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/lock.h"

enum { RETRY_MS = 50 };

static int fail_open(const char *path, int errnum, struct kf_error *err)
{
	kf_fail_sys(err, errnum, "%s: cannot lock", path);
	if (errnum == EISDIR || errnum == ELOOP)
		kf_error_hint(err, "move it away: a lock must be a regular file");
	return -errnum;
}

static long holder_pid(int fd)
{
	char text[24] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	return n > 0 ? strtol(text, NULL, 10) : 0;
}

int kf_lock_fd(int fd, int64_t deadline_ms)
{
	int r;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (kf_now_ms() >= deadline_ms)
			return -EBUSY;
		r = kf_wait(NULL, 0, kf_now_ms() + RETRY_MS);
		if (r < 0)
			return r;
	}
	return 0;
}

int kf_lock_take(const char *path, int64_t deadline_ms, int *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = -1;
	long pid;
	int r;

	r = kf_dir_make_parent(path, err);
	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail_open(path, errno, err);
	r = kf_lock_fd(fd, deadline_ms);
	pid = r == -EBUSY ? holder_pid(fd) : 0;
	if (pid > 0)
		return kf_fail(err, KF_BUSY, "%s is locked by process %ld", path, pid);
	if (r == -EBUSY)
		return kf_fail(err, KF_BUSY, "%s is locked by another process", path);
	if (r < 0)
		return kf_fail_sys(err, -r, "%s: cannot lock", path);
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0)
		return kf_fail_sys(err, errno, "%s: cannot write", path);
	*ret = TAKE_FD(fd);
	return 0;
}
