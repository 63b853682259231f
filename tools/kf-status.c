/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kf-status: how each board stands to its source tree, and the Klippy of each printer to its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "board/port.h"
#include "board/record.h"
#include "core/clock.h"
#include "core/text.h"
#include "flash/ask-bus.h"
#include "flash/print-guard.h"
#include "flash/wire.h"
#include "mcu/identify.h"
#include "names.h"
#include "printer/look.h"
#include "printer/status.h"
#include "terminal/log.h"
#include "terminal/options.h"
#include "terminal/screen.h"
#include "terminal/usage.h"

enum { GIT_MS = 10000, ASK_MS = 3000 };

static const char help[] =
	"usage: kf-status [OPTION]... [BOARD...]\n"
	"\n"
	"Say how the firmware of each board stands to its source tree, by printer.\n"
	"\n"
	"      --ask      ask also the boards whose printer does not run, at their ports\n"
	"      --json     write records, also to a terminal\n"
	"      --table    write text for people, also to a pipe\n"
	"  -q, --quiet    only errors on standard error\n"
	"  -h, --help     show this help\n"
	"  -V, --version  show the version\n";

struct args {
	struct kf_registry registry;
	struct kf_inventory inventory;
	struct kf_printers printers;
	struct kf_status *status; /* one for each of the inventory's boards */
	const char **names;	  /* the boards that are wanted; none: all */
	bool ask;
	struct kf_common common;
};

static void free_look(struct args *look)
{
	kf_inventory_free(&look->inventory);
	kf_printers_free(&look->printers);
	kf_registry_close(&look->registry);
	free(look->status);
}

static bool is_wanted(const struct args *look, const struct kf_board *board)
{
	bool wanted = !look->names[0];

	for (const char *const *name = look->names; *name && !wanted; name++)
		wanted = kf_look_is(board, *name);
	return wanted;
}

/* A key that was not typed to its end becomes the whole one, and it is said which. */
static int check_names(struct args *look, struct kf_error *err)
{
	for (const char **name = look->names; *name; name++) {
		const char *typed = *name;
		bool cut;
		int r = kf_look_name(&look->inventory, name, &cut, err);

		if (cut)
			kf_log_phase("Status", NULL, "\"%s\" is %s", typed, *name);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * The board tells its version itself where nobody has its port. A converter is not opened: that
 * resets the board.
 */
static int ask_board(struct kf_print_guard *guard, struct kf_board *board)
{
	/* The host's own MCU has no bootloader in which it could wait. */
	bool process = board->connected && board->link.type == KF_WIRE_PROCESS;
	_cleanup_(kf_link_closep) struct kf_link link = KF_LINK_NONE;
	struct kf_dictionary told = { 0 };
	struct kf_error err;
	int r;

	if (!board->key[0] || (board->mode != KF_MODE_KLIPPER && !process) || board->version[0] ||
	    board->holder.pid || !(board->tty[0] || kf_board_is_node(board) || process))
		return 0;
	r = kf_board_is_node(board) ? 0 : kf_print_guard_port(guard, board, &err);
	if (r == 0 && board->holder.pid)
		return 0;
	if (r == 0)
		r = kf_wire_row(board)->open_klipper(board, &link, &err);
	if (r == 0)
		r = kf_klipper_identify(&link, kf_now_ms() + ASK_MS, &told, &err);
	if (r < 0)
		return r == -EINTR ? r : 0;
	KF_COPY(board->version, told.version);
	if (process) {
		board->mode = KF_MODE_KLIPPER;
		board->reason[0] = '\0';
	}
	return 0;
}

static void show_asking(const char *interface)
{
	kf_log_phase("Status", NULL, "asking all nodes on %s that have no id (00 to 3f0)",
		     interface);
}

/* A node that no Klippy has may wait in Katapult, or be silent. */
static bool is_untold(const struct args *look, size_t i)
{
	const struct kf_board *board = &look->inventory.boards.list[i];

	return is_wanted(look, board) && kf_board_is_node(board) && board->key[0] &&
	       !board->excluded && !board->version[0] && look->inventory.errors[i].code == KF_OK;
}

/* Ask each bus once. A bus that cannot be asked, as a printer prints over it, is left alone. */
static int ask_buses(struct args *look)
{
	const struct kf_boards *boards = &look->inventory.boards;
	struct kf_error err;
	int r = 0;

	for (size_t i = 0; r != -EINTR && i < boards->count; i++) {
		char interface[sizeof(boards->list[i].link.interface)];
		bool again = !is_untold(look, i);

		memcpy(interface, boards->list[i].link.interface, sizeof(interface));
		for (size_t k = 0; k < i && !again; k++)
			again = is_untold(look, k) &&
				strcmp(boards->list[k].link.interface, interface) == 0;
		if (!again)
			r = kf_bus_ask(&look->inventory, &look->printers, interface, show_asking,
				       &err);
	}
	return r == -EINTR ? r : 0;
}

static int ask_boards(struct args *look, struct kf_error *err)
{
	struct kf_print_guard guard = { 0 };
	int r = ask_buses(look);

	for (size_t i = 0; r == 0 && i < look->inventory.boards.count; i++)
		if (is_wanted(look, &look->inventory.boards.list[i]) &&
		    look->inventory.errors[i].code == KF_OK)
			r = ask_board(&guard, &look->inventory.boards.list[i]);
	kf_print_guard_free(&guard);
	return r < 0 ? kf_fail_stopped(err) : 0;
}

/* Is it of interest to a board that is wanted: its own printer, or one that may be? */
static bool concerns(const struct args *look, const struct kf_printer *printer)
{
	for (size_t i = 0; i < look->inventory.boards.count; i++) {
		const struct kf_board *board = &look->inventory.boards.list[i];

		if (is_wanted(look, board) && kf_status_concerns(board, printer))
			return true;
	}
	return !look->names[0];
}

/* Report the printers that do not tell their boards: else these would be missed in silence. */
static void tell_problems(const struct args *look, bool all)
{
	struct kf_error problem;

	for (size_t i = 0; i < look->printers.count; i++)
		if ((all || concerns(look, &look->printers.list[i])) &&
		    kf_printer_problem(&look->printers.list[i], &problem))
			kf_log_problem(look->printers.list[i].name, &problem);
}

static int find(struct args *look, struct kf_error *err)
{
	int r = kf_look(&look->registry, &look->inventory, &look->printers, err);

	if (r == 0)
		r = check_names(look, err);
	/* A board that was not found may be of a printer that cannot tell. */
	tell_problems(look, r < 0);
	if (r == 0 && look->ask)
		r = ask_boards(look, err);
	if (r < 0)
		return r;
	look->status = calloc(look->inventory.boards.count + 1, sizeof(*look->status));
	if (!look->status)
		return kf_fail_sys(err, ENOMEM, "cannot compare the boards");
	return kf_status_find(&look->inventory, &look->printers, kf_now_ms() + GIT_MS, look->status,
			      err);
}

static int write_records(const struct args *look, struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < look->inventory.boards.count; i++) {
		const struct kf_board *board = &look->inventory.boards.list[i];
		_cleanup_(kf_json_decrefp) json_t *record = NULL;

		if (!is_wanted(look, board))
			continue;
		record = kf_record_new(board);
		json_object_set_new(record, "status",
				    kf_status_to_json(board, &look->printers, &look->status[i]));
		if (look->inventory.errors[i].code != KF_OK)
			kf_record_set_error(record, kf_log_tool(), &look->inventory.errors[i]);
		r = kf_record_write(stdout, record, err);
	}
	return r;
}

static enum kf_colour colour_of(enum kf_status_state state)
{
	switch (state) {
	case KF_STATUS_CURRENT:
		return KF_COLOUR_GOOD;
	case KF_STATUS_INCOMPLETE:
		return KF_COLOUR_BAD;
	case KF_STATUS_FOREIGN:
	case KF_STATUS_NOT_CONNECTED:
		return KF_COLOUR_NONE;
	default:
		return KF_COLOUR_NOTE;
	}
}

static void print_text(const struct kf_screen *screen, enum kf_colour colour, int indent,
		       const char *text)
{
	printf("%*s", indent, "");
	kf_screen_coloured(screen, colour, text, indent, indent + 2);
	putchar('\n');
}

static void print_board(const struct kf_screen *screen, const struct kf_board *board,
			const struct kf_status *status, int width)
{
	char text[512], more[1024];
	int at;

	kf_revision_text(&status->board, text, sizeof(text));
	kf_text_format(more, sizeof(more), "  %s", kf_board_label(board));
	at = kf_screen_cell(screen, more, width + 2);
	at = kf_screen_wrap(screen, "  ", at, 6);
	kf_text_format(more, sizeof(more), "%-13s ", board->mcu);
	at = kf_screen_wrap(screen, more, at, 6);
	at = kf_screen_coloured(screen, colour_of(status->board.state), text, at, 6);
	more[0] = '\0';
	if (status->board.state == KF_STATUS_BEHIND || status->board.state == KF_STATUS_AHEAD ||
	    status->board.state == KF_STATUS_DIFFERS)
		kf_text_format(more, sizeof(more), "  (%s; %s has %s)", board->version,
			       status->tree, status->tree_version);
	else if (board->version[0])
		kf_text_format(more, sizeof(more), "  (%s)", board->version);
	if (board->excluded)
		kf_text_format(more + strlen(more), sizeof(more) - strlen(more), "  excluded: %s",
			       board->reason);
	if (more[0])
		kf_screen_wrap(screen, more, at, 6);
	putchar('\n');
}

/* The printer, and whether its Klippy runs what is in its tree. */
static void print_printer(const struct kf_screen *screen, const struct kf_printer *printer,
			  const struct kf_status *status)
{
	bool prints = kf_print_name(printer->print.state);
	char text[1024], how[300], now[512];

	kf_printer_state_text(printer, now, sizeof(now));
	kf_text_format(text, sizeof(text), "%s%s%s%s: %s%s%s", printer->name,
		       printer->unit[0] ? " (" : "", printer->unit, printer->unit[0] ? ")" : "",
		       now, printer->version[0] ? ", " : "", printer->version);
	print_text(screen, prints ? KF_COLOUR_NOTE : KF_COLOUR_NONE, 0, text);
	if (!printer->version[0] || status->host.state == KF_STATUS_CURRENT ||
	    status->host.state == KF_STATUS_NOT_ASKED)
		return;
	kf_revision_text(&status->host, how, sizeof(how));
	kf_text_format(
		text, sizeof(text),
		"Klippy runs another version than its tree has: %s (%s has %s); restart it%s%s%s",
		how, status->tree, status->tree_version, prints ? " when the print is over" : "",
		printer->unit[0] ? ": sudo systemctl restart " : "", printer->unit);
	print_text(screen, KF_COLOUR_NOTE, 2, text);
}

/* Would kf update flash it? */
static bool is_behind(const struct kf_board *board, const struct kf_status *status)
{
	return board->key[0] && !board->excluded &&
	       (status->board.state == KF_STATUS_BEHIND ||
		(status->board.state == KF_STATUS_INCOMPLETE && board->connected) ||
		status->board.state == KF_STATUS_BOOTLOADER);
}

/* The boards of one printer, or (NULL) of none. Returns how many kf update would flash. */
static size_t print_group(const struct args *look, const struct kf_screen *screen,
			  const struct kf_printer *printer, bool title)
{
	const struct kf_boards *boards = &look->inventory.boards;
	bool begun = false, hidden = kf_printers_hidden(&look->printers);
	size_t todo = 0;
	int width = 8;

	for (size_t i = 0; i < boards->count; i++) {
		int len = (int)strlen(kf_board_label(&boards->list[i]));

		width = look->status[i].printer == printer && len > width && len < 24 ? len : width;
	}
	for (size_t i = 0; i < boards->count; i++) {
		const struct kf_status *status = &look->status[i];

		if (status->printer != printer || !is_wanted(look, &boards->list[i]))
			continue;
		if (!begun && printer)
			print_printer(screen, printer, status);
		else if (!begun && title)
			puts(hidden ? "of a printer that is not known" : "of no printer here");
		begun = true;
		print_board(screen, &boards->list[i], status, width);
		todo += is_behind(&boards->list[i], status);
	}
	return todo;
}

/* Is a board there that runs our firmware, and neither a printer nor the registry names it? */
static bool has_unknown(const struct args *look)
{
	const struct kf_boards *boards = &look->inventory.boards;

	for (size_t i = 0; i < boards->count; i++) {
		const struct kf_board *board = &boards->list[i];

		if (!board->key[0] && !board->printer.mcu[0] && board->connected &&
		    !board->excluded && look->inventory.errors[i].code == KF_OK &&
		    look->status[i].board.state != KF_STATUS_FOREIGN && is_wanted(look, board))
			return true;
	}
	return false;
}

/* Does a printer print that has a board which kf update would flash? */
static bool is_printing(const struct args *look)
{
	bool ret = false;

	for (size_t i = 0; i < look->inventory.boards.count && !ret; i++) {
		const struct kf_status *status = &look->status[i];

		ret = is_wanted(look, &look->inventory.boards.list[i]) && status->printer &&
		      kf_print_name(status->printer->print.state) &&
		      is_behind(&look->inventory.boards.list[i], status);
	}
	return ret;
}

/* Is a board there of a printer that does not run, and was it not asked? */
static bool has_unasked(const struct args *look)
{
	bool ret = false;

	for (size_t i = 0; i < look->inventory.boards.count && !ret; i++) {
		const struct kf_board *board = &look->inventory.boards.list[i];
		const struct kf_status *status = &look->status[i];

		ret = is_wanted(look, board) && status->board.state == KF_STATUS_NOT_ASKED &&
		      board->key[0] && board->tty[0] && !board->excluded && status->printer &&
		      !status->printer->pid;
	}
	return ret;
}

static int print_table(const struct args *look, struct kf_error *err)
{
	struct kf_screen screen = kf_screen_of(stdout);
	size_t todo = 0;

	for (size_t i = 0; i < look->printers.count; i++)
		todo += print_group(look, &screen, &look->printers.list[i], true);
	todo += print_group(look, &screen, NULL, look->printers.count > 0);
	if (todo > 0)
		print_text(&screen, KF_COLOUR_NONE, 0,
			   is_printing(look) ? "kf update builds and flashes what is behind, "
					       "but not while it prints"
					     : "kf update builds and flashes what is behind");
	if (!look->ask && has_unasked(look))
		print_text(&screen, KF_COLOUR_NONE, 0,
			   "next: kf status --ask asks the boards of a printer that does not run; "
			   "kf update asks them, too, and flashes what is behind");
	if (has_unknown(look) && !kf_printers_hidden(&look->printers))
		print_text(&screen, KF_COLOUR_NONE, 0,
			   "next: kf add registers a board that no printer names; until then kf "
			   "neither asks nor updates it");
	return kf_usage_flush(err);
}

static int run(struct args *look, struct kf_error *err)
{
	int r = find(look, err);

	if (r < 0)
		return r;
	if (look->inventory.boards.count == 0)
		return kf_fail(err, KF_NOTHING_CONNECTED,
			       "no board is there, and no printer names one");
	return look->common.table ? print_table(look, err) : write_records(look, err);
}

static const struct kf_option list[] = { KF_OPTION_FLAG("ask", 0, ask) };

static const struct kf_options options = {
	.tool = "kf-status", .help = help, .list = list, .count = KF_ARRAY_SIZE(list)
};

int status_main(int argc, char *argv[])
{
	_cleanup_(free_look) struct args look = { 0 };
	int r, status = kf_options_read(&options, argc, argv, &look, &look.common);
	struct kf_error err = { 0 };

	if (status >= 0)
		return status;
	look.names = (const char **)argv + optind;
	kf_stop_install();
	r = run(&look, &err);
	kf_usage_unread(r);
	return kf_usage_end(r, &err);
}
