/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Only colours that are readable on black and on white: no blue, no yellow, and no bold ones, which
 * many terminals show bright.
 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "core/text.h"
#include "terminal/screen.h"

enum { COLUMNS = 80, COLUMNS_MOST = 4096 };

static int columns_of(const struct winsize *size)
{
	const char *text = getenv("COLUMNS");
	long columns = size->ws_col;

	if (columns == 0 && text)
		columns = strtol(text, NULL, 10);
	return columns > 0 && columns <= COLUMNS_MOST ? (int)columns : COLUMNS;
}

struct kf_screen kf_screen_of(FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct kf_screen screen = { .out = out };
	struct winsize size = { 0 };

	if (!isatty(fileno(out)))
		return screen;
	if (ioctl(fileno(out), TIOCGWINSZ, &size) < 0)
		size = (struct winsize){ 0 };
	screen.columns = columns_of(&size);
	screen.rows = size.ws_row;
	screen.moves = !(term && strcmp(term, "dumb") == 0);
	screen.colour = screen.moves && !(no_color && no_color[0]);
	return screen;
}

const char *kf_screen_colour(const struct kf_screen *screen, enum kf_colour colour)
{
	static const char *const codes[] = {
		[KF_COLOUR_NONE] = "\033[0m",	[KF_COLOUR_PHASE] = "\033[36m",
		[KF_COLOUR_GOOD] = "\033[32m",	[KF_COLOUR_NOTE] = "\033[35m",
		[KF_COLOUR_BAD] = "\033[1;31m",
	};

	return screen->colour ? codes[colour] : "";
}

/* The letter at text: its bytes to *ret_len, and its columns. UTF-8 whatever the user's locale. */
static int letter_width(const char *text, size_t *ret_len)
{
	static locale_t utf8;
	mbstate_t state = { 0 };
	locale_t before;
	wchar_t letter;
	size_t n;
	int width;

	*ret_len = 1;
	if ((unsigned char)*text < 0x80)
		return 1;
	if (!utf8)
		utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (!utf8)
		return ((unsigned char)*text & 0xc0) != 0x80;
	before = uselocale(utf8);
	n = mbrtowc(&letter, text, strlen(text), &state);
	width = n < (size_t)-2 ? wcwidth(letter) : 1;
	uselocale(before);
	if (n > 0 && n < (size_t)-2)
		*ret_len = n;
	return width < 0 ? 1 : width;
}

static int width_of(const char *text, const char *end)
{
	int width = 0;
	size_t len;

	for (; text < end; text += len)
		width += letter_width(text, &len);
	return width;
}

int kf_screen_width(const char *text)
{
	return width_of(text, text + strlen(text));
}

int kf_screen_cut(char *text, int columns)
{
	int width = 0, next;
	size_t len;

	for (; *text; text += len) {
		next = letter_width(text, &len);
		if (width + next > columns) {
			*text = '\0';
			break;
		}
		width += next;
	}
	return width;
}

void kf_screen_shorten(char *dst, size_t size, const char *text, int columns)
{
	static const char dots[] = "...";
	int left = kf_screen_width(text), room = columns - (int)strlen(dots), head;
	size_t len;

	kf_text_format(dst, size, "%s", text);
	if (left <= columns)
		return;
	if (room < 2) {
		kf_screen_cut(dst, columns > 0 ? columns : 0);
		return;
	}
	head = kf_screen_cut(dst, room / 2);
	for (; left > room - head; text += len)
		left -= letter_width(text, &len);
	kf_text_add(dst, size, dots, text);
}

int kf_screen_wrap(const struct kf_screen *screen, const char *text, int at, int indent)
{
	const int most = screen->columns - 1;
	bool empty;
	size_t blanks, len;
	int width;

	if (screen->columns == 0) {
		fputs(text, screen->out);
		return at;
	}
	if (indent > most / 2)
		indent = most / 2;
	for (empty = at <= indent; *text; empty = false) {
		blanks = strspn(text, " ");
		len = strcspn(text + blanks, " ");
		width = width_of(text + blanks, text + blanks + len);
		if (at + (int)blanks + width > most && !empty) {
			fprintf(screen->out, "\n%*s", indent, "");
			at = indent;
		} else {
			fprintf(screen->out, "%*s", (int)blanks, "");
			at += (int)blanks;
		}
		fprintf(screen->out, "%.*s", (int)len, text + blanks);
		at += width;
		text += blanks + len;
	}
	return at;
}

int kf_screen_coloured(const struct kf_screen *screen, enum kf_colour colour, const char *text,
		       int at, int indent)
{
	bool plain = colour == KF_COLOUR_NONE;

	fputs(plain ? "" : kf_screen_colour(screen, colour), screen->out);
	at = kf_screen_wrap(screen, text, at, indent);
	fputs(plain ? "" : kf_screen_colour(screen, KF_COLOUR_NONE), screen->out);
	return at;
}

int kf_screen_cell(const struct kf_screen *screen, const char *text, int columns)
{
	int most = screen->columns > 0 ? screen->columns - 1 : KF_NAME_SIZE * 4;
	char shown[KF_NAME_SIZE * 4];
	int width, left;

	kf_screen_shorten(shown, sizeof(shown), text, most);
	width = kf_screen_width(shown);
	left = columns - width;
	fprintf(screen->out, "%s%*s", shown, left > 0 ? left : 0, "");
	return width + (left > 0 ? left : 0);
}

/* The column in which a wrapped line goes on; lead is its own first column. */
static int second_column(const char *line, int lead)
{
	const char *gap = strstr(line + lead, "  ");

	return gap ? (int)(gap - line + (ptrdiff_t)strspn(gap, " ")) : lead;
}

void kf_screen_lines(const struct kf_screen *screen, const char *text)
{
	const int half = (screen->columns - 1) / 2;
	size_t len;

	for (; *text; text += len) {
		_cleanup_(kf_freep) char *line = NULL;
		int lead;

		len = strcspn(text, "\n");
		line = strndup(text, len);
		len += text[len] == '\n';
		if (screen->columns == 0 || !line) {
			fprintf(screen->out, "%.*s", (int)len, text);
			continue;
		}
		lead = (int)strspn(line, " ");
		fprintf(screen->out, "%*s", lead > half ? half : lead, "");
		kf_screen_wrap(screen, line + lead, lead > half ? half : lead,
			       second_column(line, lead));
		fputs(text[len - 1] == '\n' ? "\n" : "", screen->out);
	}
}
