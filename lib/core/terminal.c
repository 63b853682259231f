/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines are read a byte at a time: what follows the newline is another program's to read. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/terminal.h"
#include "core/text.h"

enum { LINE_SIZE = 1024, AGAIN = 2 };

int kf_terminal_open(int *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		kf_fail(err, KF_USAGE, "there is no terminal to ask on");
		return -ENXIO;
	}
	if (tcgetpgrp(fd) != getpgrp()) {
		kf_fail(err, KF_USAGE, "a background job cannot ask on the terminal");
		return -ENXIO;
	}
	*ret = fd;
	fd = -1; /* the caller's now */
	return 0;
}

static _printf_(3, 0) int show(int tty, struct kf_error *err, const char *fmt, va_list ap)
{
	errno = 0;
	if (vdprintf(tty, fmt, ap) < 0)
		return kf_fail_sys(err, errno ? errno : EIO, "/dev/tty");
	return 0;
}

/* 1 and a line, cut if it is too long; 0 at the end; -EINTR, -EIO. */
static int read_line(int tty, char line[LINE_SIZE], struct kf_error *err)
{
	struct pollfd pfd = { .fd = tty, .events = POLLIN };
	size_t len = 0;
	ssize_t n;
	char c;
	int r;

	for (;;) {
		r = kf_wait(&pfd, 1, KF_FOREVER);
		if (r < 0)
			return kf_fail_sys(err, -r, "/dev/tty");
		n = read(tty, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EIO) /* EIO: hung up */
			return kf_fail_sys(err, errno, "/dev/tty");
		if (n <= 0)
			return 0;
		if (c == '\n')
			break;
		if (len < LINE_SIZE - 1)
			line[len++] = c;
	}
	line[len] = '\0';
	return 1;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

/* As kf_terminal_ask; AGAIN: it was no answer, and why has been said. */
static int answer(int tty, char *ret, size_t size, struct kf_error *err)
{
	char line[LINE_SIZE], *start = line;
	size_t len;
	int r;

	r = read_line(tty, line, err);
	if (r <= 0) {
		/* The cursor still stands behind the question. */
		if (write(tty, "\n", 1) < 0)
			errno = 0;
		return r;
	}
	start += strspn(start, " \t");
	for (len = strlen(start); len > 0 && strchr(" \t\r", start[len - 1]); len--)
		;
	start[len] = '\0';
	if (has_control(start)) {
		dprintf(tty, "  that has control characters in it, such as arrow keys send\n");
		return AGAIN;
	}
	kf_text_clean(ret, size, start, len);
	return 1;
}

int kf_terminal_ask(int tty, char *ret, size_t size, struct kf_error *err, const char *fmt, ...)
{
	va_list ap;
	int r;

	do {
		va_start(ap, fmt);
		r = show(tty, err, fmt, ap);
		va_end(ap);
		if (r == 0)
			r = answer(tty, ret, size, err);
	} while (r == AGAIN);
	return r;
}

int kf_terminal_confirm(int tty, struct kf_error *err, const char *fmt, ...)
{
	char text[8];
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = show(tty, err, fmt, ap);
	va_end(ap);
	for (;;) {
		if (r == 0)
			r = kf_terminal_ask(tty, text, sizeof(text), err, " [y/N] ");
		if (r <= 0)
			return r;
		if (strcasecmp(text, "y") == 0 || strcasecmp(text, "yes") == 0)
			return 1;
		if (!text[0] || strcasecmp(text, "n") == 0 || strcasecmp(text, "no") == 0)
			return 0;
		r = dprintf(tty, "Please answer y or n.") < 0 ? -EIO : 0;
	}
}
