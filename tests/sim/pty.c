/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "sim/pty.h"

static int watch_slave(struct sim_pty *pty)
{
	pty->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (pty->watch < 0)
		return -errno;
	if (inotify_add_watch(pty->watch, pty->slave, IN_OPEN | IN_CLOSE) < 0)
		return -errno;
	return 0;
}

/* Raw, and once opened and closed: only from then on is an unopened slave a hang-up. */
static int prepare_slave(struct sim_pty *pty)
{
	_cleanup_(kf_closep) int fd = open(pty->slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;
	struct stat st;

	if (fd < 0 || tcgetattr(fd, &t) < 0 || fstat(fd, &st) < 0)
		return -errno;
	pty->device = st.st_rdev;
	cfmakeraw(&t);
	t.c_cflag |= CLOCAL;
	return tcsetattr(fd, TCSANOW, &t) < 0 ? -errno : 0;
}

int sim_pty_open(struct sim_pty *pty, struct kf_error *err)
{
	int r = 0;

	*pty = (struct sim_pty)SIM_PTY_CLOSED;
	pty->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (pty->master < 0 || grantpt(pty->master) < 0 || unlockpt(pty->master) < 0 ||
	    ptsname_r(pty->master, pty->slave, sizeof(pty->slave)) != 0)
		r = -errno;
	if (r == 0)
		r = prepare_slave(pty);
	if (r == 0)
		r = watch_slave(pty);
	if (r < 0) {
		sim_pty_close(pty);
		return kf_fail_sys(err, -r, "cannot make a pty");
	}
	return 0;
}

void sim_pty_close(struct sim_pty *pty)
{
	kf_closep(&pty->master);
	kf_closep(&pty->watch);
	*pty = (struct sim_pty)SIM_PTY_CLOSED;
}

void sim_pty_poll(const struct sim_pty *pty, bool want_read, bool want_write, struct pollfd fds[2])
{
	short events = (short)((want_read ? POLLIN : 0) | (want_write ? POLLOUT : 0));

	/* poll(2) reports a hang-up whatever it is asked for. */
	fds[0] = (struct pollfd){ .fd = pty->open && events ? pty->master : -1, .events = events };
	fds[1] = (struct pollfd){ .fd = pty->watch, .events = POLLIN };
}

static bool hung_up(const struct sim_pty *pty)
{
	struct pollfd p = { .fd = pty->master };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

enum sim_pty_event sim_pty_next(struct sim_pty *pty)
{
	char events[4096] __attribute__((aligned(8)));
	const struct inotify_event *event;
	struct termios t;
	bool was_open = pty->open, news = false;
	unsigned opens = 0;
	ssize_t len;

	if (pty->master < 0)
		return SIM_PTY_QUIET;
	while ((len = read(pty->watch, events, sizeof(events))) > 0) {
		news = true;
		for (char *at = events; at < events + len; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			opens += (event->mask & IN_OPEN) != 0;
		}
	}
	pty->open = !hung_up(pty);
	if (pty->open && !was_open) {
		pty->owed = opens == 0;
		return SIM_PTY_OPENED;
	}
	if (pty->open && opens && pty->owed) {
		pty->owed = false;
		opens--;
	}
	if (pty->open)
		return opens ? SIM_PTY_OPENED : SIM_PTY_QUIET;
	pty->owed = false;
	/* Opened and closed between two looks is a close, too. */
	if (!was_open && !news)
		return SIM_PTY_QUIET;
	if (tcgetattr(pty->master, &t) == 0 && cfgetospeed(&t) == B1200)
		return SIM_PTY_CLOSED_1200;
	return SIM_PTY_CLOSED_PLAIN;
}

size_t sim_pty_readable(const struct sim_pty *pty)
{
	struct pollfd p = { .fd = pty->master, .events = POLLIN };
	int n = 0;

	/* poll(2) waits for what is on its way between the two ends; FIONREAD alone does not. */
	if (poll(&p, 1, 0) > 0 && (p.revents & POLLIN) && ioctl(pty->master, FIONREAD, &n) == 0)
		return (size_t)n;
	return 0;
}

ssize_t sim_pty_read(struct sim_pty *pty, void *buf, size_t size)
{
	ssize_t n = read(pty->master, buf, size);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR || errno == EIO ? 0 : -errno;
	return n;
}

ssize_t sim_pty_write(struct sim_pty *pty, const void *buf, size_t len)
{
	ssize_t n = write(pty->master, buf, len);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR || errno == EIO ? 0 : -errno;
	return n;
}
