/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines for people. Whole messages only: several processes share one terminal. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "terminal/live.h"
#include "terminal/log.h"

enum { TAIL_LINES = 10, TAIL_BYTES = 8192, INDENT = 2, TAIL_INDENT = 4, NEWS_S = 1 };

static struct {
	const char *tool;
	bool quiet;
	bool bars;	    /* a bar can be drawn: a terminal, and nobody else draws there */
	bool quarters;	    /* elsewhere: a line at each quarter */
	struct kf_live bar; /* the phase whose progress was shown last; since_ms 0: none */
	int bar_columns;    /* of it on the screen; 0: it is not there */
	int percent;
	int to; /* the process that draws the lines of all boards, or -1 */
} state = { .tool = "kf", .to = -1 };

/* A message to the process that draws the lines. */
struct news {
	enum { SAYS, PROGRESS, WRITTEN, DONE } kind;
	struct kf_live live;
	char text[4096]; /* WRITTEN, DONE: as it is to stand on the screen */
};

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
	const char *progress = getenv("KF_PROGRESS");

	hold_standard_files();
	state.tool = tool;
	state.quiet = quiet;
	state.bars = kf_screen_of(stderr).moves;
	state.quarters = progress && strcmp(progress, "quarters") == 0;
}

bool kf_log_told(void)
{
	return getenv("KF_TOLD") && isatty(STDERR_FILENO) && isatty(STDOUT_FILENO);
}

const char *kf_log_tool(void)
{
	return state.tool;
}

void kf_log_share(int to)
{
	static const struct timeval limit = { .tv_sec = NEWS_S };

	state.bars = false;
	state.to = to;
	if (to >= 0)
		setsockopt(to, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setvbuf(stderr, NULL, _IOFBF, BUFSIZ);
}

/* A message that nobody receives for a second is lost: the work goes on. */
static void send_news(const struct news *news)
{
	size_t len = offsetof(struct news, text) + strlen(news->text) + 1;

	if (send(state.to, news, len, MSG_NOSIGNAL) < 0)
		errno = 0;
}

/* A bar stands without a newline: end it before anything else is written. */
static void leave_bar(void)
{
	if (state.bar_columns > 0)
		fputc('\n', stderr);
	state.bar_columns = 0;
	state.bar.since_ms = 0;
}

/* Text that is all there is to write: it appears at once, above the lines of boards. */
static void put(const char *text)
{
	leave_bar();
	kf_live_hide();
	fputs(text, stderr);
	kf_live_show();
	fflush(stderr);
}

/* One message, written into memory first. */
struct message {
	struct kf_screen screen; /* out is the memory */
	char *text;
	size_t len;
};

static bool begin(struct message *m)
{
	*m = (struct message){ .screen = kf_screen_of(stderr) };
	m->screen.out = open_memstream(&m->text, &m->len);
	return m->screen.out != NULL;
}

/* Write the message. subject (or NULL) is done, and its own line goes. */
static void end(struct message *m, const char *subject)
{
	struct news news = { .kind = subject ? DONE : WRITTEN };
	struct kf_live *line = kf_live_of(subject);

	fclose(m->screen.out);
	if (state.to >= 0) {
		if (subject)
			KF_COPY(news.live.subject, subject);
		KF_COPY(news.text, m->text);
		send_news(&news);
	} else {
		if (line)
			kf_live_drop(line);
		put(m->text);
	}
	free(m->text);
}

/* " subject:" behind the head of a message. */
static int name_subject(const struct message *m, const char *subject, int at)
{
	char text[KF_NAME_SIZE + 8];

	if (!subject)
		return at;
	kf_text_format(text, sizeof(text), " %s:", subject);
	return kf_screen_wrap(&m->screen, text, at, INDENT);
}

/* "head subject: text"; the verdict with which text begins, if it is one, is coloured too. */
static void line(const char *head, enum kf_colour colour, const char *subject,
		 enum kf_colour verdict, const char *text)
{
	size_t len = verdict ? strcspn(text, ":,") : 0;
	char begins[128], rest[1024 + 1];
	struct message m;
	int at;

	if (!begin(&m))
		return;
	kf_text_format(begins, sizeof(begins), "%.*s", (int)len, text);
	at = kf_screen_coloured(&m.screen, colour, head, 0, INDENT);
	at = name_subject(&m, subject, at);
	if (begins[0]) {
		at = kf_screen_wrap(&m.screen, " ", at, INDENT);
		at = kf_screen_coloured(&m.screen, verdict, begins, at, INDENT);
	}
	kf_text_format(rest, sizeof(rest), "%s%s", begins[0] ? "" : " ", text + strlen(begins));
	kf_screen_wrap(&m.screen, rest, at, INDENT);
	fputc('\n', m.screen.out);
	end(&m, verdict ? subject : NULL);
}

/* Sets the text of a board's own line. */
static void fill_line(struct kf_live *ret, const struct kf_live *from)
{
	int64_t since_ms = ret->since_ms;

	*ret = *from;
	ret->since_ms = since_ms ? since_ms : kf_now_ms();
}

/* Show it on the board's own line. False: the board has none. */
static bool on_own_line(const struct kf_live *from)
{
	struct kf_live *own = kf_live_of(from->subject);
	struct news news = { .kind = from->total ? PROGRESS : SAYS, .live = *from };

	if (!own)
		return false;
	if (state.to >= 0) {
		send_news(&news);
	} else {
		fill_line(own, from);
		kf_live_show();
	}
	return true;
}

static _printf_(1, 0) void format(const char *fmt, va_list ap, char *ret, size_t size)
{
	char raw[1024];

	vsnprintf(raw, sizeof(raw), fmt, ap);
	kf_text_clean(ret, size, raw, strlen(raw));
}

static void fill(struct kf_live *ret, const char *phase, const char *subject, const char *text)
{
	*ret = (struct kf_live){ 0 };
	KF_COPY(ret->phase, phase);
	KF_COPY(ret->subject, subject ? subject : "");
	KF_COPY(ret->text, text);
}

void kf_log_phase(const char *phase, const char *subject, const char *fmt, ...)
{
	char head[64], text[1024];
	struct kf_live live;
	va_list ap;

	if (state.quiet)
		return;
	va_start(ap, fmt);
	format(fmt, ap, text, sizeof(text));
	va_end(ap);
	fill(&live, phase, subject, text);
	kf_text_format(head, sizeof(head), "[%s]", phase);
	if (!on_own_line(&live))
		line(head, KF_COLOUR_PHASE, subject, KF_COLOUR_NONE, text);
}

void kf_log_done(const char *phase, const char *subject, enum kf_colour colour, const char *fmt,
		 ...)
{
	char head[64], text[1024];
	va_list ap;

	if (state.quiet)
		return;
	va_start(ap, fmt);
	format(fmt, ap, text, sizeof(text));
	va_end(ap);
	kf_text_format(head, sizeof(head), "[%s]", phase);
	line(head, KF_COLOUR_PHASE, subject, colour, text);
}

void kf_log_warn(const char *subject, const char *fmt, ...)
{
	char head[64], text[1024];
	va_list ap;

	va_start(ap, fmt);
	format(fmt, ap, text, sizeof(text));
	va_end(ap);
	kf_text_format(head, sizeof(head), "%s:", state.tool);
	line(head, KF_COLOUR_NOTE, subject, KF_COLOUR_NONE, text);
}

/* Prints a line below a message. */
static void below(const struct message *m, const char *word, const char *text)
{
	if (!text[0])
		return;
	fprintf(m->screen.out, "%*s%s", INDENT, "", word);
	kf_screen_wrap(&m->screen, text, INDENT + (int)strlen(word), INDENT);
	fputc('\n', m->screen.out);
}

static void report(const char *name, enum kf_colour colour, const char *subject,
		   const struct kf_error *err, const char *done)
{
	char head[64], text[sizeof(err->message) + 1];
	struct message m;
	int at;

	if (!begin(&m))
		return;
	kf_text_format(head, sizeof(head), "%s:", name);
	kf_text_format(text, sizeof(text), " %s", err->message);
	at = kf_screen_coloured(&m.screen, colour, head, 0, INDENT);
	at = name_subject(&m, subject, at);
	kf_screen_wrap(&m.screen, text, at, INDENT);
	fputc('\n', m.screen.out);
	below(&m, "", err->hint);
	below(&m, "log: ", err->log);
	end(&m, done);
}

void kf_log_error(const char *subject, const struct kf_error *err)
{
	report(state.tool, KF_COLOUR_BAD, subject, err, subject);
}

void kf_log_error_as(const char *name, const struct kf_error *err)
{
	report(name, KF_COLOUR_BAD, NULL, err, NULL);
}

void kf_log_problem(const char *subject, const struct kf_error *err)
{
	report(state.tool, KF_COLOUR_NOTE, subject, err, NULL);
}

void kf_log_tail(const char *path)
{
	_cleanup_(kf_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[TAIL_BYTES], text[512];
	struct message m;
	struct stat st;
	ssize_t len;
	size_t from, eol, lines = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	len = pread(fd, buf, sizeof(buf), st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0);
	if (len <= 0 || !begin(&m))
		return;
	for (from = (size_t)len - (buf[len - 1] == '\n'); from > 0; from--)
		if (buf[from - 1] == '\n' && ++lines == TAIL_LINES)
			break;
	for (; from < (size_t)len; from = eol + 1) {
		const char *newline = memchr(buf + from, '\n', (size_t)len - from);

		eol = newline ? (size_t)(newline - buf) : (size_t)len;
		kf_text_clean(text, sizeof(text), buf + from, eol - from);
		fputs("  | ", m.screen.out);
		kf_screen_wrap(&m.screen, text, TAIL_INDENT, TAIL_INDENT);
		fputc('\n', m.screen.out);
	}
	end(&m, NULL);
}

/* Draw the bar over the old one; without escape sequences where there are no colours. */
static void draw_bar(void)
{
	struct kf_screen screen = kf_screen_of(stderr);
	char text[KF_LIVE_SIZE];
	int columns;

	columns = kf_live_format(&screen, &state.bar, text);
	fprintf(stderr, "\r%s%*s", text,
		columns < state.bar_columns ? state.bar_columns - columns : 0, "");
	state.bar_columns = columns > 0 ? columns : 1;
	if (state.bar.done >= state.bar.total)
		leave_bar();
	fflush(stderr);
}

/* In a pipe: write a line when a phase of the work begins; if wanted, at each quarter. */
static void tell_progress(const struct kf_live *live, bool begins, int percent)
{
	char head[64], text[sizeof(live->text) + 16];

	if (!state.quarters && !begins)
		return;
	if (state.quarters && (percent < 25 || (!begins && percent / 25 == state.percent / 25)))
		return;
	kf_text_format(head, sizeof(head), "[%s]", live->phase);
	if (state.quarters)
		kf_text_format(text, sizeof(text), "%s %d%%", live->text, percent);
	else
		KF_COPY(text, live->text);
	line(head, KF_COLOUR_PHASE, live->subject, KF_COLOUR_NONE, text);
}

void kf_log_progress(const char *phase, const char *subject, const char *what, size_t done,
		     size_t total)
{
	int percent = total ? (int)(done * 100 / total) : 100;
	struct kf_live live;
	bool begins;

	if (state.quiet)
		return;
	fill(&live, phase, subject, what);
	live.done = total ? done : 1;
	live.total = total ? total : 1;
	begins = !state.bar.since_ms || strcmp(state.bar.text, live.text) != 0 ||
		 strcmp(state.bar.subject, live.subject) != 0;
	if (!begins && percent == state.percent)
		return;
	live.since_ms = begins ? kf_now_ms() : state.bar.since_ms;
	if (begins)
		leave_bar();
	if (!on_own_line(&live) && !state.bars)
		tell_progress(&live, begins, percent);
	state.percent = percent;
	state.bar = live;
	if (state.bars && !kf_live_of(subject))
		draw_bar();
	if (live.done >= live.total)
		state.bar.since_ms = 0;
}

bool kf_log_receive(int from)
{
	struct kf_live *own;
	struct news news;
	ssize_t n;

	while ((n = recv(from, &news, sizeof(news) - 1, MSG_DONTWAIT)) > 0) {
		if ((size_t)n <= offsetof(struct news, text))
			continue;
		news.text[n - (ssize_t)offsetof(struct news, text)] = '\0';
		own = kf_live_of(news.live.subject);
		if (own && news.kind == DONE)
			kf_live_drop(own);
		if (news.kind == WRITTEN || news.kind == DONE)
			put(news.text);
		else if (own)
			fill_line(own, &news.live);
	}
	kf_live_tick(); /* once for all of them */
	return n != 0;
}
