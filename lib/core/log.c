/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines for people. Whole lines only: several stages of a pipe share one terminal. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/log.h"
#include "core/text.h"

enum { TAIL_LINES = 10, TAIL_BYTES = 8192 };
enum { COLUMNS = 80, LINE_SIZE = 512, BAR_CELLS = 30, BAR_CELLS_LEAST = 5, PERCENT_COLUMNS = 5 };

static struct {
	const char *tool;
	bool quiet, terminal, colour;
	int percent; /* of the progress shown last; -1: none is shown */
} state = { .tool = "kf", .percent = -1 };

/* Open 0, 1 and 2: else the next file that is opened would be read or written by mistake. */
static void hold_standard_files(void)
{
	static const int modes[] = { O_WRONLY, O_RDONLY, O_RDONLY }; /* use stays an error */

	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
			_exit(EX_OSERR);
}

void kf_log_init(const char *tool, bool quiet)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	hold_standard_files();
	state.tool = tool;
	state.quiet = quiet;
	state.terminal = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
	state.colour = state.terminal && !(no_color && no_color[0]);
}

void kf_log_share(void)
{
	state.terminal = false;
	setvbuf(stderr, NULL, _IOFBF, BUFSIZ);
}

const char *kf_log_tool(void)
{
	return state.tool;
}

static const char *ansi(const char *code)
{
	return state.colour ? code : "";
}

/* A progress bar stands without a newline: end it before anything else is written. */
static void leave_bar(void)
{
	if (state.terminal && state.percent >= 0)
		fputc('\n', stderr);
	state.percent = -1;
}

static _printf_(4, 0) void line(const char *head, const char *colour, const char *subject,
				const char *fmt, va_list ap)
{
	char raw[1024], text[1024];

	vsnprintf(raw, sizeof(raw), fmt, ap);
	kf_text_clean(text, sizeof(text), raw, strlen(raw));
	leave_bar();
	fprintf(stderr, "%s%s%s %s%s%s\n", ansi(colour), head, ansi("\033[0m"),
		subject ? subject : "", subject ? ": " : "", text);
	fflush(stderr);
}

void kf_log_phase(const char *phase, const char *subject, const char *fmt, ...)
{
	char head[64];
	va_list ap;

	if (state.quiet)
		return;
	kf_text_format(head, sizeof(head), "[%s]", phase);
	va_start(ap, fmt);
	line(head, "\033[1;36m", subject, fmt, ap);
	va_end(ap);
}

void kf_log_warn(const char *subject, const char *fmt, ...)
{
	char head[64];
	va_list ap;

	kf_text_format(head, sizeof(head), "%s:", state.tool);
	va_start(ap, fmt);
	line(head, "\033[1;33m", subject, fmt, ap);
	va_end(ap);
}

void kf_log_error(const char *subject, const struct kf_error *err)
{
	leave_bar();
	fprintf(stderr, "%s%s:%s %s%s%s\n", ansi("\033[1;31m"), state.tool, ansi("\033[0m"),
		subject ? subject : "", subject ? ": " : "", err->message);
	if (err->hint[0])
		fprintf(stderr, "  %s\n", err->hint);
	if (err->log[0])
		fprintf(stderr, "  log: %s\n", err->log);
	fflush(stderr);
}

void kf_log_tail(const char *path)
{
	_cleanup_(kf_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[TAIL_BYTES], text[512];
	struct stat st;
	ssize_t len;
	size_t from, end, lines = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	len = pread(fd, buf, sizeof(buf), st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0);
	if (len <= 0)
		return;
	leave_bar();
	for (from = (size_t)len - (buf[len - 1] == '\n'); from > 0; from--)
		if (buf[from - 1] == '\n' && ++lines == TAIL_LINES)
			break;
	for (; from < (size_t)len; from = end + 1) {
		const char *eol = memchr(buf + from, '\n', (size_t)len - from);

		end = eol ? (size_t)(eol - buf) : (size_t)len;
		kf_text_clean(text, sizeof(text), buf + from, end - from);
		fprintf(stderr, "  | %s\n", text);
	}
}

/* The columns of a line on a terminal: a line that reaches the last column may wrap. */
static size_t room_on_terminal(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0)
		return LINE_SIZE;
	return size.ws_col ? size.ws_col - 1 : COLUMNS - 1;
}

/* " [###   ]" in what is left of a line; empty where that is too little. */
static void fill_bar(char *ret, size_t size, size_t room, int percent)
{
	static const size_t frame = sizeof(" []") - 1;
	int cells, done;

	ret[0] = '\0';
	if (room < frame + BAR_CELLS_LEAST)
		return;
	cells = room - frame > BAR_CELLS ? BAR_CELLS : (int)(room - frame);
	done = percent * cells / 100;
	kf_text_format(ret, size, " [%.*s%*s]", done, "##############################",
		       cells - done, "");
}

/* The text gives way to the percentage, and the bar to both. */
static void draw(const char *phase, const char *subject, const char *what, int percent)
{
	char whole[LINE_SIZE], text[LINE_SIZE], bar[BAR_CELLS + 4];
	size_t room = room_on_terminal(), head = strlen(phase) + 2, len;

	room = room > PERCENT_COLUMNS ? room - PERCENT_COLUMNS : 0;
	kf_text_format(whole, sizeof(whole), "[%s] %s: %s", phase, subject, what);
	kf_text_clean(text, room < sizeof(text) ? room + 1 : sizeof(text), whole, strlen(whole));
	len = strlen(text);
	if (!state.terminal) {
		fprintf(stderr, "%s %d%%\n", text, percent);
		return;
	}
	head = head < len ? head : len;
	fill_bar(bar, sizeof(bar), room - len, percent);
	fprintf(stderr, "\r%s%.*s%s%s%s %3d%%%s", ansi("\033[1;36m"), (int)head, text,
		ansi("\033[0m"), text + head, bar, percent, ansi("\033[K"));
}

void kf_log_progress(const char *phase, const char *subject, const char *what, size_t done,
		     size_t total)
{
	int percent = total ? (int)(done * 100 / total) : 100;

	if (state.quiet || percent == state.percent)
		return;
	if (state.terminal) {
		draw(phase, subject, what, percent);
		state.percent = percent;
		if (done >= total)
			leave_bar();
	} else if (state.percent < 0 || percent / 25 > state.percent / 25) {
		if (percent >= 25)
			draw(phase, subject, what, percent);
		state.percent = done >= total ? -1 : percent;
	}
	fflush(stderr);
}
