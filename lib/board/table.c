/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Columns are as wide as their widest cell, up to a limit that leaves room for the rest. */
#include <stdarg.h>
#include <string.h>

#include "board/identity.h"
#include "board/last-flash.h"
#include "board/table.h"
#include "core/text.h"

enum { WHO_MAX = 60, STATE_MAX = 40 };

struct row {
	char mark[5];	 /* "[OK]" connected and known, "[--]" not connected, "[??]" unknown */
	char who[320];	 /* key, name and MCU */
	char state[384]; /* what is not as usual: mode, version, holder, excluded, duplicate */
	char where[KF_DEV_SIZE]; /* by-id, else by-path, tty or USB port */
	char remark[768];	 /* a sentence for a line of its own, or empty */
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

/* A board whose port nobody seems to have is at least some printer's. */
static void append_printer(char *dst, size_t size, const struct kf_board *board)
{
	const struct kf_board_printer *printer = &board->printer;

	if (board->holder.unit[0] || !printer->mcu[0])
		return;
	append(dst, size, ", ", "%s", printer->unit[0] ? printer->unit : printer->name);
}

static void describe(const struct kf_board *board, const struct kf_error *err, char *dst,
		     size_t size)
{
	/* A registered board that is no USB device of Klipper's is as it should be, if it runs. */
	bool odd = board->mode != KF_MODE_KLIPPER &&
		   (board->mode != KF_MODE_OTHER || !board->key[0] || kf_board_in_rom(board));

	if (err->code != KF_OK)
		append(dst, size, ", ", "%s",
		       err->code == KF_AMBIGUOUS && board->key[0] ? "duplicate"
								  : kf_code_name(err->code));
	/* Nothing but a printer's word tells of what is on CAN or a UART: reason says what it is.
	 */
	if (!board->connected && !(board->printer.mcu[0] && board->reason[0]))
		append(dst, size, ", ", "not connected");
	if (board->excluded)
		append(dst, size, ", ", "%s", board->key[0] ? "excluded" : "blocked");
	if (board->mode != KF_MODE_NONE && odd)
		append(dst, size, ", ", "%s", kf_mode_name(board->mode));
	if (board->incomplete[0])
		append(dst, size, ", ", "incomplete");
	if (board->version[0])
		append(dst, size, ", ", "%s", board->version);
	append_holder(dst, size, &board->holder);
	append_printer(dst, size, board);
}

/* What a person calls it: the registry's key, else its printer's word. */
static const char *label_of(const struct kf_board *board)
{
	return board->key[0]	       ? board->key
	       : board->printer.mcu[0] ? board->printer.mcu
				       : "Unknown device";
}

static void describe_place(const struct kf_board *board, char *dst, size_t size)
{
	const struct kf_board_link *link = &board->link;
	const char *path = board->by_id[0]     ? board->by_id
			   : board->by_path[0] ? board->by_path
			   : board->tty[0]     ? board->tty
					       : link->path;

	if (link->type == KF_WIRE_CAN)
		kf_text_format(dst, size, "%s %s", link->interface, link->uuid);
	else if (path[0])
		kf_text_format(dst, size, "%s", path);
	else if (board->usb.port[0])
		kf_text_format(dst, size, "USB port %s", board->usb.port);
}

/* One that runs firmware needs no button: it is asked to leave for its bootloader. */
static void describe_incomplete(const struct kf_board *board, char *dst, size_t size)
{
	const char *remedy = board->connected ? "" : kf_last_flash_remedy(board->incomplete);

	append(dst, size, "; ", "the firmware on it is incomplete: %s%srun kf flash %s", remedy,
	       remedy[0] ? ", then " : "", board->key);
}

static struct row make_row(const struct kf_board *board, const struct kf_error *err)
{
	struct row row = { 0 };
	bool known = board->key[0] || board->printer.mcu[0];

	kf_text_format(row.mark, sizeof(row.mark), "%s",
		       !known		  ? "[??]"
		       : board->connected ? "[OK]"
					  : "[--]");
	kf_text_format(row.who, sizeof(row.who), "%s%s%s%s%s%s", label_of(board),
		       board->name[0] ? ": " : "", board->name, board->mcu[0] ? " (" : "",
		       board->mcu, board->mcu[0] ? ")" : "");
	describe(board, err, row.state, sizeof(row.state));
	describe_place(board, row.where, sizeof(row.where));
	kf_text_format(row.remark, sizeof(row.remark), "%s",
		       err->code != KF_OK ? err->message : board->reason);
	/* The error of a board that failed says it already; an excluded board is not flashed. */
	if (board->incomplete[0] && !board->excluded && err->code == KF_OK)
		describe_incomplete(board, row.remark, sizeof(row.remark));
	if (kf_holder_remark(&board->holder)[0])
		append(row.remark, sizeof(row.remark), "; ", "%s",
		       kf_holder_remark(&board->holder));
	return row;
}

/* In characters: a name may have letters of several bytes. */
static int width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static int wider(int most, const char *text, int limit)
{
	int n = width(text);

	return n > limit ? (most > limit ? most : limit) : n > most ? n : most;
}

/* Text, filled up with blanks to so many columns. */
static void cell(FILE *out, const char *gap, const char *text, int columns)
{
	int left = columns - width(text);

	fprintf(out, "%s%s%*s", gap, text, left > 0 ? left : 0, "");
}

void kf_table_write(FILE *out, const struct kf_board *boards, const struct kf_error *problems,
		    size_t count)
{
	int who = 0, state = 0;
	struct row row;

	for (size_t i = 0; i < count; i++) {
		row = make_row(&boards[i], &problems[i]);
		who = wider(who, row.who, WHO_MAX);
		state = wider(state, row.state, STATE_MAX);
	}
	for (size_t i = 0; i < count; i++) {
		row = make_row(&boards[i], &problems[i]);
		fprintf(out, "  %s", row.mark);
		cell(out, " ", row.who, row.state[0] || row.where[0] ? who : 0);
		if (state > 0 && (row.state[0] || row.where[0]))
			cell(out, "  ", row.state, row.where[0] ? state : 0);
		if (row.where[0])
			cell(out, "  ", row.where, 0);
		fputc('\n', out);
		if (row.remark[0])
			fprintf(out, "       %s\n", row.remark);
	}
}
