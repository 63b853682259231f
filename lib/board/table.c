/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Columns are as wide as their widest cell, up to a limit that leaves room for the rest. On a
 * terminal where a row does not fit, the path is shortened, for its ends tell the boards apart;
 * where little would be left of it, the cells stand below each other.
 */
#include <stdarg.h>
#include <string.h>

#include "board/identity.h"
#include "board/last-flash.h"
#include "board/port.h"
#include "board/table.h"
#include "core/text.h"
#include "terminal/screen.h"

enum { WHO_MAX = 60, STATE_MAX = 40, WHERE_LEAST = 28, INDENT = 7 };

struct row {
	char mark[5];	 /* "[OK]" connected and known, "[--]" not connected, "[??]" not known */
	char who[320];	 /* key, name and MCU */
	char state[384]; /* what is not as usual: mode, version, holder, excluded, duplicate */
	char where[KF_DEV_SIZE]; /* by-id, else by-path, tty or USB port */
	char remark[768];	 /* a sentence for a line of its own, or empty */
	enum kf_colour mark_colour, state_colour;
};

/* Append to dst, behind the separator unless dst is empty. */
_printf_(4, 5) static void append(char *dst, size_t size, const char *separator, const char *fmt,
				  ...)
{
	size_t len = strlen(dst);
	va_list ap;

	if (len > 0)
		len += (size_t)snprintf(dst + len, size - len, "%s", separator);
	if (len >= size)
		return;
	va_start(ap, fmt);
	vsnprintf(dst + len, size - len, fmt, ap);
	va_end(ap);
}

static void append_holder(char *dst, size_t size, const struct kf_holder *holder)
{
	if (holder->unit[0])
		append(dst, size, ", ", "%s", holder->unit);
	else if (holder->pid)
		append(dst, size, ", ", "held by %s (pid %d)", holder->command, (int)holder->pid);
}

/* If no unit has the port of the board, name the printer that configures the board. */
static void append_printer(char *dst, size_t size, const struct kf_board *board)
{
	const struct kf_board_printer *printer = &board->printer;

	if (board->holder.unit[0] || !printer->mcu[0])
		return;
	append(dst, size, ", ", "%s", printer->unit[0] ? printer->unit : printer->name);
}

/* Is the board's bus or UART there, but neither a Klippy nor the board has answered? */
static bool is_unasked(const struct kf_board *board)
{
	return board->connected && board->mode == KF_MODE_NONE && kf_board_is_wired(board);
}

static void describe(const struct kf_board *board, const struct kf_error *err, char *dst,
		     size_t size)
{
	/* Mode "other" is not odd for a registered board, for example behind a USB-to-serial
	 * chip. */
	bool odd = board->mode != KF_MODE_KLIPPER &&
		   (board->mode != KF_MODE_OTHER || !board->key[0] || kf_board_in_loader(board));

	if (err->code != KF_OK)
		append(dst, size, ", ", "%s",
		       err->code == KF_AMBIGUOUS && board->key[0] ? "duplicate"
								  : kf_code_name(err->code));
	/* If a printer names the board and there is a reason, the reason says more than this. */
	if (!board->connected && !(board->printer.mcu[0] && board->reason[0]))
		append(dst, size, ", ", "not connected");
	if (is_unasked(board) && !board->reason[0])
		append(dst, size, ", ", "not asked");
	if (board->excluded)
		append(dst, size, ", ", "%s", board->key[0] ? "excluded" : "blocked");
	if (board->mode != KF_MODE_NONE && odd)
		append(dst, size, ", ", "%s",
		       board->mode == KF_MODE_OTHER && kf_board_in_loader(board)
			       ? "in its bootloader"
			       : kf_mode_name(board->mode));
	if (board->incomplete[0])
		append(dst, size, ", ", "incomplete");
	if (board->version[0])
		append(dst, size, ", ", "%s", board->version);
	append_holder(dst, size, &board->holder);
	append_printer(dst, size, board);
}

/* The name that the table shows: the registry's key, else the printer's name for the board. */
static const char *label_of(const struct kf_board *board)
{
	return board->key[0]	       ? board->key
	       : board->printer.mcu[0] ? board->printer.mcu
				       : "Unknown device";
}

static void describe_incomplete(const struct kf_board *board, char *dst, size_t size)
{
	char command[sizeof("kf flash ") + KF_KEY_SIZE], next[sizeof(((struct row *)0)->remark)];

	kf_text_format(command, sizeof(command), "kf flash %s", board->key);
	kf_last_flash_next(board, command, next, sizeof(next));
	append(dst, size, "; ", "the firmware on it is incomplete: %s", next);
}

static struct row make_row(const struct kf_board *board, const struct kf_error *err)
{
	struct row row = { 0 };
	bool known = board->key[0] || board->printer.mcu[0];
	bool unknown = !known || is_unasked(board);
	bool named = board->name[0] && strcmp(board->name, board->printer.mcu) != 0;

	KF_COPY(row.mark, unknown ? "[??]" : board->connected ? "[OK]" : "[--]");
	kf_text_format(row.who, sizeof(row.who), "%s%s%s%s%s%s", label_of(board), named ? ": " : "",
		       named ? board->name : "", board->mcu[0] ? " (" : "", board->mcu,
		       board->mcu[0] ? ")" : "");
	row.mark_colour = unknown	     ? KF_COLOUR_NOTE
			  : board->connected ? KF_COLOUR_GOOD
					     : KF_COLOUR_NONE;
	row.state_colour = err->code != KF_OK || board->incomplete[0]	     ? KF_COLOUR_BAD
			   : board->excluded || (known && !board->connected) ? KF_COLOUR_NOTE
									     : KF_COLOUR_NONE;
	describe(board, err, row.state, sizeof(row.state));
	kf_board_place(board, row.where, sizeof(row.where));
	KF_COPY(row.remark, err->code != KF_OK ? err->message : board->reason);
	/* The error of a board that failed says it already; an excluded board is not flashed. */
	if (board->incomplete[0] && !board->excluded && err->code == KF_OK)
		describe_incomplete(board, row.remark, sizeof(row.remark));
	if (kf_holder_remark(&board->holder)[0])
		append(row.remark, sizeof(row.remark), "; ", "%s",
		       kf_holder_remark(&board->holder));
	return row;
}

static int wider(int most, const char *text, int limit)
{
	int n = kf_screen_width(text);

	return n > limit ? (most > limit ? most : limit) : n > most ? n : most;
}

static void coloured(const struct kf_screen *screen, enum kf_colour colour, const char *text)
{
	const char *start = colour == KF_COLOUR_NONE ? "" : kf_screen_colour(screen, colour);

	fprintf(screen->out, "%s%s%s", start, text,
		*start ? kf_screen_colour(screen, KF_COLOUR_NONE) : "");
}

/* Text, filled up with blanks to so many columns. */
static void cell(const struct kf_screen *screen, const char *gap, enum kf_colour colour,
		 const char *text, int columns)
{
	int left = columns - kf_screen_width(text);

	fputs(gap, screen->out);
	coloured(screen, colour, text);
	fprintf(screen->out, "%*s", left > 0 ? left : 0, "");
}

static void below(const struct kf_screen *screen, enum kf_colour colour, const char *text)
{
	if (!text[0])
		return;
	fprintf(screen->out, "\n%*s", INDENT, "");
	fputs(colour == KF_COLOUR_NONE ? "" : kf_screen_colour(screen, colour), screen->out);
	kf_screen_wrap(screen, text, INDENT, INDENT);
	fputs(colour == KF_COLOUR_NONE ? "" : kf_screen_colour(screen, KF_COLOUR_NONE),
	      screen->out);
}

/* The columns of the first two cells, of all rows. */
struct widths {
	int who, state;
};

static void write_row(const struct kf_screen *screen, const struct row *row, struct widths widths)
{
	int room = screen->columns - 1 - INDENT, left = room - widths.who - 2;
	bool narrow = screen->columns > 0 && row->where[0];
	char where[KF_DEV_SIZE];

	if (widths.state > 0)
		left -= widths.state + 2;
	narrow = narrow && left < WHERE_LEAST && left < kf_screen_width(row->where);
	fputs("  ", screen->out);
	coloured(screen, row->mark_colour, row->mark);
	if (narrow || (screen->columns > 0 && !row->where[0] && left < 0)) {
		fputc(' ', screen->out);
		kf_screen_wrap(screen, row->who, INDENT, INDENT);
		below(screen, row->state_colour, row->state);
		kf_screen_shorten(where, sizeof(where), row->where, room);
		below(screen, KF_COLOUR_NONE, where);
	} else {
		cell(screen, " ", KF_COLOUR_NONE, row->who,
		     row->state[0] || row->where[0] ? widths.who : 0);
		if (widths.state > 0 && (row->state[0] || row->where[0]))
			cell(screen, "  ", row->state_colour, row->state,
			     row->where[0] ? widths.state : 0);
		kf_screen_shorten(where, sizeof(where), row->where,
				  screen->columns > 0 ? left : (int)sizeof(where));
		if (row->where[0])
			cell(screen, "  ", KF_COLOUR_NONE, where, 0);
	}
	below(screen, KF_COLOUR_NONE, row->remark);
	fputc('\n', screen->out);
}

void kf_table_write(FILE *out, const struct kf_board *boards, const struct kf_error *problems,
		    size_t count)
{
	const struct kf_screen screen = kf_screen_of(out);
	struct widths widths = { 0 };
	struct row row;

	for (size_t i = 0; i < count; i++) {
		row = make_row(&boards[i], &problems[i]);
		widths.who = wider(widths.who, row.who, WHO_MAX);
		widths.state = wider(widths.state, row.state, STATE_MAX);
	}
	for (size_t i = 0; i < count; i++) {
		row = make_row(&boards[i], &problems[i]);
		write_row(&screen, &row, widths);
	}
}
