/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A serial port: opened exclusively, read and written with deadlines, never half a frame. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/major.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "core/clock.h"
#include "link/baud.h"
#include "link/drain.h"
#include "link/serial.h"

/* The errors of a pty, umockdev's tty or qemu's user mode for features that they lack. */
static bool unsupported(int errnum)
{
	return errnum == ENOTTY || errnum == EINVAL || errnum == ENOSYS;
}

/* The errors of a tty whose device has left. */
static bool hung_up(int errnum)
{
	return errnum == EIO || errnum == ENXIO || errnum == ENODEV || errnum == EPIPE;
}

/* A pty belongs to the group tty, a serial port to dialout. */
static int not_permitted(const char *path, struct kf_error *err)
{
	const struct group *group = NULL;
	struct stat st;

	if (stat(path, &st) == 0 && st.st_gid != 0)
		group = getgrgid(st.st_gid);
	kf_fail_sys(err, EACCES, "%s", path);
	kf_error_hint(err,
		      "join the group that owns the port (sudo usermod -aG %s $USER), then log in "
		      "again",
		      group ? group->gr_name : "dialout");
	return -EACCES;
}

static int open_failed(const char *path, int errnum, struct kf_error *err)
{
	switch (errnum) {
	case ENOENT:
		return kf_fail(err, KF_GONE, "%s: there is no such port", path);
	case EBUSY:
	case EWOULDBLOCK:
		kf_fail(err, KF_BUSY, "%s: another program has it open", path);
		return kf_error_hint(err, "sudo fuser -v %s shows it; end it, then try again",
				     path);
	case EACCES:
		return not_permitted(path, err);
	default:
		return kf_fail_sys(err, errnum, "%s", path);
	}
}

int kf_serial_lock(const char *path, int *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = -1;

	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	/* A lock on a file that is not a port, such as /dev/null, says nothing. */
	if (fd >= 0 && !isatty(fd) && errno == ENOTTY)
		return kf_fail(err, KF_CONFIG, "%s: not a serial port", path);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return open_failed(path, errno, err);
	*ret = TAKE_FD(fd);
	return 0;
}

int kf_serial_check_right(const char *path, struct kf_error *err)
{
	return access(path, R_OK | W_OK) < 0 && errno == EACCES ? not_permitted(path, err) : 0;
}

bool kf_pty_of_process(const char *path)
{
	struct stat link, pty;

	return lstat(path, &link) == 0 && S_ISLNK(link.st_mode) && stat(path, &pty) == 0 &&
	       S_ISCHR(pty.st_mode) && major(pty.st_rdev) >= UNIX98_PTY_SLAVE_MAJOR &&
	       major(pty.st_rdev) < UNIX98_PTY_SLAVE_MAJOR + UNIX98_PTY_MAJOR_COUNT &&
	       link.st_uid == pty.st_uid && (pty.st_mode & S_IRGRP);
}

static int set_raw(int fd, unsigned baud)
{
	struct termios t;
	bool named;
	int r;

	if (tcgetattr(fd, &t) < 0)
		return -errno;
	cfmakeraw(&t);
	t.c_cflag &= ~(tcflag_t)(CSTOPB | CRTSCTS | CIBAUD);
	t.c_cflag |= CLOCAL | CREAD;
	named = cfsetspeed(&t, baud) == 0; /* glibc's takes the number itself too */
	if (tcsetattr(fd, TCSANOW, &t) < 0)
		return -errno;
	r = named ? 0 : kf_baud_set(fd, baud);
	return unsupported(-r) ? 0 : r;
}

int kf_serial_open(const char *path, unsigned baud, int *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = -1;
	int r;

	r = kf_serial_lock(path, &fd, err);
	if (r < 0)
		return r;
	r = set_raw(fd, baud);
	if (r < 0)
		return kf_fail_sys(err, -r, "%s: %u baud cannot be set", path, baud);
	if (tcflush(fd, TCIOFLUSH) < 0 && !unsupported(errno))
		return kf_fail_sys(err, errno, "%s: cannot be flushed", path);
	if (ioctl(fd, TIOCEXCL) < 0 && !unsupported(errno))
		return kf_fail_sys(err, errno, "%s: cannot be opened exclusively", path);
	*ret = TAKE_FD(fd);
	return 0;
}

void kf_serial_closep(int *fd)
{
	struct kf_drain drain = KF_DRAIN_NONE;
	int queued = 0;

	if (*fd >= 0 && ioctl(*fd, TIOCOUTQ, &queued) == 0 && queued > 0 &&
	    kf_drain_start(fd, &drain, NULL) == 0) {
		drain.discard = true;
		kf_drain_endp(&drain);
	}
	if (*fd >= 0)
		IGNORE_RESULT(ioctl(*fd, TIOCNXCL));
	kf_closep(fd);
}

ssize_t kf_serial_read(int fd, void *buf, size_t size, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t got;
	int n;

	for (;;) {
		n = kf_wait(&pfd, 1, deadline_ms);
		if (n <= 0)
			return n < 0 ? n : -ETIMEDOUT;
		got = read(fd, buf, size);
		if (got > 0)
			return got;
		if (got == 0 || hung_up(errno))
			return -ENODEV;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (pfd.revents & (POLLHUP | POLLERR))
			return -ENODEV;
	}
}

/* Wait until fd accepts bytes. Once a write has begun, a stop signal waits for its end. */
static int wait_writable(int fd, bool begun, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	int64_t left;
	int n;

	if (!begun) {
		n = kf_wait(&pfd, 1, deadline_ms);
	} else {
		left = deadline_ms - kf_now_ms();
		n = poll(&pfd, 1, left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left);
		if (n < 0 && errno == EINTR)
			return 0;
		if (n < 0)
			return -errno;
	}
	if (n == 0)
		return -ETIMEDOUT;
	return n > 0 && (pfd.revents & (POLLHUP | POLLERR)) ? -ENODEV : n;
}

/* The driver nearly always has room: wait only if a write found none. */
int kf_serial_write(int fd, const void *buf, size_t len, int64_t deadline_ms)
{
	const uint8_t *p = buf, *end = p + len;
	ssize_t put;
	int r = kf_stopped() ? -EINTR : 0;

	while (r >= 0 && p < end) {
		put = write(fd, p, (size_t)(end - p));
		if (put > 0)
			p += put;
		else if (put < 0 && hung_up(errno))
			return -ENODEV;
		else if (put == 0 || errno == EAGAIN)
			r = wait_writable(fd, p != buf, deadline_ms);
		else if (errno != EINTR)
			return -errno;
	}
	return r < 0 ? r : 0;
}

int kf_serial_touch_1200(const char *path, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = -1;
	int dtr = TIOCM_DTR;
	int r;

	r = kf_serial_lock(path, &fd, err);
	if (r < 0)
		return r;
	if (ioctl(fd, TIOCMBIS, &dtr) < 0 && !unsupported(errno))
		return kf_fail_sys(err, errno, "%s: DTR cannot be set", path);
	r = set_raw(fd, 1200);
	if (r < 0)
		return kf_fail_sys(err, -r, "%s: 1200 baud cannot be set", path);
	/* From here on the firmware may leave at any moment, and then this fails. */
	IGNORE_RESULT(ioctl(fd, TIOCMBIC, &dtr));
	return 0;
}
