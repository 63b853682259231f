/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads lines a byte at a time: bytes after the newline are for the next program. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/process.h"
#include "core/text.h"
#include "terminal/screen.h"
#include "terminal/terminal.h"

enum { LINE_SIZE = 1024, AGAIN = 2, TPUT_MS = 2000, INDENT = 2 };

int kf_terminal_open(int *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		kf_fail(err, KF_USAGE, "there is no terminal for questions");
		return -ENXIO;
	}
	if (tcgetpgrp(fd) != getpgrp()) {
		kf_fail(err, KF_USAGE, "a background job cannot use the terminal");
		return -ENXIO;
	}
	*ret = TAKE_FD(fd);
	return 0;
}

/* Each line is wrapped at its words. */
static int write_lines(FILE *out, char *text)
{
	struct kf_screen screen = kf_screen_of(out);
	const char *line;

	while ((line = strsep(&text, "\n"))) {
		kf_screen_wrap(&screen, line, 0, INDENT);
		if (text)
			fputc('\n', out);
	}
	return fflush(out) == EOF ? -errno : 0;
}

static _printf_(3, 0) int show(int tty, struct kf_error *err, const char *fmt, va_list ap)
{
	_cleanup_(kf_freep) char *text = NULL;
	int fd, r = vasprintf(&text, fmt, ap) < 0 ? -ENOMEM : 0;
	char buffer[BUFSIZ];
	_cleanup_(kf_fclosep) FILE *out = NULL;

	if (r < 0)
		text = NULL;
	fd = dup(tty);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out && fd >= 0)
		close(fd);
	/* One write: what is typed meanwhile must not be echoed into the middle of a question. */
	if (out)
		setvbuf(out, buffer, _IOFBF, sizeof(buffer));
	if (r == 0)
		r = out ? write_lines(out, text) : -EIO;
	return r < 0 ? kf_fail_sys(err, -r, "/dev/tty") : 0;
}

int kf_terminal_tell(int tty, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = show(tty, NULL, fmt, ap);
	va_end(ap);
	return r;
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

/* Returns what kf_terminal_ask does; AGAIN: it was no answer, and the user was told why. */
static int answer(int tty, char *ret, size_t size, struct kf_error *err)
{
	char line[LINE_SIZE], *start = line;
	size_t len;
	int r;

	r = read_line(tty, line, err);
	if (r <= 0) {
		/* The cursor is still after the question. */
		if (write(tty, "\n", 1) < 0)
			errno = 0;
		return r;
	}
	start += strspn(start, " \t");
	for (len = strlen(start); len > 0 && strchr(" \t\r", start[len - 1]); len--)
		;
	start[len] = '\0';
	if (has_control(start)) {
		kf_terminal_tell(tty,
				 "  that has control characters in it, such as arrow keys send\n");
		return AGAIN;
	}
	kf_text_clean(ret, size, start, len);
	return 1;
}

static bool leaves(const char *text)
{
	return strcasecmp(text, "q") == 0 || strcasecmp(text, "quit") == 0;
}

static bool left;

bool kf_terminal_left(void)
{
	return left;
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
	if (r > 0 && leaves(ret))
		r = 0;
	left = left || r == 0;
	return r;
}

int kf_terminal_confirm(int tty, bool enter, struct kf_error *err, const char *fmt, ...)
{
	char text[8] = "";
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = show(tty, err, fmt, ap);
	va_end(ap);
	for (;;) {
		if (r == 0)
			r = kf_terminal_ask(tty, text, sizeof(text), err,
					    enter ? " [Y/n] " : " [y/N] ");
		if (r == 0) {
			kf_fail(err, KF_INTERRUPTED, "left without an answer");
			return -ECANCELED;
		}
		if (r < 0)
			return r;
		if (strcasecmp(text, "y") == 0 || strcasecmp(text, "yes") == 0)
			return 1;
		if (!text[0])
			return enter;
		if (strcasecmp(text, "n") == 0 || strcasecmp(text, "no") == 0)
			return 0;
		r = kf_terminal_tell(tty, "Please answer y or n, or q to leave.");
	}
}

/* Has terminfo(5) an entry that can move the cursor? */
static bool has_entry(const char *term)
{
	char option[KF_NAME_SIZE + 2];
	const char *const argv[] = { "tput", option, "cup", NULL };
	const struct kf_process tput = { .argv = argv, .in = -1, .out = -1, .err = -1 };
	int status;

	return kf_text_format(option, sizeof(option), "-T%s", term) &&
	       kf_process_run(&tput, kf_now_ms() + TPUT_MS, &status, NULL) == 0 && status == 0;
}

/* The entry for a TERM that has none: of its family ("xterm" for xterm-ghostty), else a plain one.
 */
static bool find_entry(const char *term, char *ret, size_t size)
{
	static const char *const plain[] = { "xterm", "linux", "vt100" };
	char *end;

	kf_text_format(ret, size, "%s", term);
	while ((end = strrchr(ret, '-')) || (end = strrchr(ret, '.'))) {
		*end = '\0';
		if (has_entry(ret))
			return true;
	}
	for (size_t i = 0; i < KF_ARRAY_SIZE(plain); i++) {
		kf_text_format(ret, size, "%s", plain[i]);
		if (has_entry(ret))
			return true;
	}
	return false;
}

/* Find an installed locale for one that setlocale(3) refuses: ssh brings that of its client. */
static bool find_locale(const char **ret)
{
	static const char *const usual[] = { "", "C.UTF-8", "C" };
	locale_t locale;

	for (size_t i = 0; i < KF_ARRAY_SIZE(usual); i++) {
		locale = newlocale(LC_ALL_MASK, usual[i], (locale_t)0);
		if (!locale)
			continue;
		freelocale(locale);
		*ret = usual[i];
		return i > 0;
	}
	return false;
}

void kf_terminal_env(struct kf_terminal_env *ret)
{
	const char *term = getenv("TERM"), *locale;
	char entry[KF_NAME_SIZE - sizeof("TERM=")];
	size_t count = 0;

	*ret = (struct kf_terminal_env){ 0 };
	if (find_locale(&locale)) {
		kf_text_format(ret->locale, sizeof(ret->locale), "LC_ALL=%s", locale);
		ret->list[count++] = ret->locale;
	}
	term = term ? term : "";
	if (has_entry(term))
		return;
	if (find_entry(term, entry, sizeof(entry))) {
		kf_text_format(ret->term, sizeof(ret->term), "TERM=%s", entry);
		ret->list[count++] = ret->term;
	}
}
