/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Preloaded into COMMAND, before umockdev's library. A pty's close(2) returns at once, and
 * cdc_acm's waits for what the board has not taken, for up to 30 s (tty_port_close_start; here
 * $KF_SIM_CLOSE_MS) or until a signal comes. Then kf-sim sees the last close, and cuts what is
 * left.
 *
 * A process that is killed runs none of this: its last close cuts at once, as there. Not modelled:
 * the wait of a process that ends without having closed its port.
 *
 * umockdev names the socket of a monitor by its file descriptor alone, so a process takes the
 * events of another one whose monitor has the same number. Here the name has the process id, too.
 */
#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { CLOSING_WAIT_MS = 30000, PTS_MAJOR_FIRST = 136, PTS_MAJOR_LAST = 143 };

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int next_close(int fd)
{
	static int (*next)(int);

	if (!next)
		next = (int (*)(int))dlsym(RTLD_NEXT, "close");
	return next(fd);
}

/* kf-sim's answer (control.h), or 0. */
static int request_queued(dev_t tty)
{
	static const struct timeval deadline = { .tv_sec = 1 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *control = getenv("KF_SIM_CONTROL");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = 0;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s.queued", control ? control : "");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
	/* A name of its own, for the answer: the kernel chooses one. */
	if (bind(fd, (const struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
	    sendto(fd, &tty, sizeof(tty), 0, (const struct sockaddr *)&address, sizeof(address)) <
		    0 ||
	    recv(fd, &bytes, sizeof(bytes), 0) != sizeof(bytes))
		bytes = 0;
	if (fd >= 0)
		next_close(fd);
	return bytes;
}

/* The bytes that the board behind fd has not taken; 0 if fd is none of kf-sim's ttys. */
static int queued(int fd, struct stat *ret)
{
	bool pts = fstat(fd, ret) == 0 && S_ISCHR(ret->st_mode) &&
		   major(ret->st_rdev) >= PTS_MAJOR_FIRST && major(ret->st_rdev) <= PTS_MAJOR_LAST;

	return pts ? request_queued(ret->st_rdev) : 0;
}

/* Until the board has taken all, or deadline_ms, or a signal: then -1. */
static int await_taken(int fd, int64_t deadline_ms)
{
	static const struct timespec tick = { .tv_nsec = 1000000 };
	struct stat st;

	while (queued(fd, &st) > 0 && now_ms() < deadline_ms)
		if (nanosleep(&tick, NULL) < 0)
			return -1;
	return 0;
}

/* Count the file descriptors of process (a number in /proc) that are this tty. */
static unsigned count_in(const char *process, const struct stat *tty)
{
	unsigned count = 0;
	struct dirent *entry;
	struct stat st;
	char path[600];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.32s/fd", process);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%.32s/fd/%s", process, entry->d_name);
		count += stat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == tty->st_rdev;
	}
	if (dir)
		closedir(dir);
	return count;
}

/* Nobody has this tty open but we, once. */
static bool is_last(const struct stat *tty)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned count = 0;

	while (proc && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			count += count_in(entry->d_name, tty);
	if (proc)
		closedir(proc);
	return count == 1;
}

/* Is it what umockdev makes of a monitor's netlink socket? */
static bool is_monitor(int fd, const struct sockaddr *address)
{
	int domain = 0;
	socklen_t size = sizeof(domain);

	return address->sa_family == AF_NETLINK &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
	static int (*next)(int, const struct sockaddr *, socklen_t);
	const char *testbed = getenv("UMOCKDEV_DIR");
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (!next)
		next = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
	if (!testbed || !is_monitor(fd, address))
		return next(fd, address, size);
	/* uevent.c sends to "event" and a digit. A monitor that this process has closed may have
	 * left its name. */
	snprintf(to.sun_path, sizeof(to.sun_path), "%s/event%d.%d", testbed, fd, getpid());
	unlink(to.sun_path);
	/* umockdev's bind would name it. */
	return (int)syscall(SYS_bind, fd, (const struct sockaddr *)&to, sizeof(to));
}

int tcdrain(int fd)
{
	return await_taken(fd, INT64_MAX);
}

int ioctl(int fd, unsigned long request, ...)
{
	static int (*next)(int, unsigned long, ...);
	struct stat st;
	void *arg;
	va_list ap;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!next)
		next = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	if (request == TIOCOUTQ && isatty(fd)) {
		*(int *)arg = queued(fd, &st);
		return 0;
	}
	return next(fd, request, arg);
}

int close(int fd)
{
	const char *wait_ms = getenv("KF_SIM_CLOSE_MS");
	int saved = errno;
	struct stat st;

	if (queued(fd, &st) > 0 && is_last(&st))
		(void)await_taken(fd, now_ms() + (wait_ms ? atoi(wait_ms) : CLOSING_WAIT_MS));
	errno = saved;
	return next_close(fd);
}
