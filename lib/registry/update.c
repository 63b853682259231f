/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "board/last-flash.h"
#include "board/port.h"
#include "core/text.h"
#include "registry/registry.h"
#include "registry/update.h"

static const char *text_of(const json_t *record, const char *member)
{
	return kf_json_text(json_object_get(record, "status"), member);
}

static bool is_any(const char *state, const char *const *words)
{
	while (*words && strcmp(state, *words) != 0)
		words++;
	return *words;
}

static bool to_update(const json_t *record, const struct kf_board *board, bool named)
{
	static const char *const always[] = { "behind", "incomplete", "in its bootloader", NULL };
	static const char *const if_named[] = { "differs", "ahead", "not asked", "pending", NULL };
	const char *state = text_of(record, "state");

	return board->key[0] && board->connected && !board->excluded && !kf_record_failed(record) &&
	       (is_any(state, always) || (named && is_any(state, if_named)));
}

/* The board's key, else the printer's name for it: several printers have a "mcu". */
static const char *label_of(const struct kf_board *board, char ret[2 * KF_NAME_SIZE])
{
	if (board->key[0] || !board->printer.mcu[0])
		return kf_board_label(board);
	kf_text_format(ret, 2 * KF_NAME_SIZE, "%s of %s", board->printer.mcu, board->printer.name);
	return ret;
}

/* Is the board named by no printer, and not registered? */
static bool is_unknown(const struct kf_board *board)
{
	return !board->key[0] && !board->printer.mcu[0];
}

/* May it be a board of a printer that does not tell its boards? kf-status has said why. */
static bool is_hidden(const json_t *record, const struct kf_board *board)
{
	const json_t *status = json_object_get(record, "status");

	return is_unknown(board) && json_array_size(json_object_get(status, "problems")) > 0;
}

/* Did the last flash of the board not end, and is the board away now? */
static bool is_half_away(const char *state, const struct kf_board *board)
{
	return strcmp(state, "incomplete") == 0 && !board->connected;
}

/* Do Klippy and the USB name tell two chips? Then no firmware is built for the board. */
static bool is_of_two_chips(const json_t *record)
{
	return text_of(record, "other_mcu")[0];
}

static void explain_half_away(const struct kf_board *board, char *ret, size_t size)
{
	char next[512];

	kf_last_flash_next(board, "the same command again", next, sizeof(next));
	kf_text_format(ret, size, "%s is not connected, and the firmware on it is incomplete: %s",
		       kf_board_label(board), next);
}

/* Explain why a board is left as it is. False: it is as it should be, and nothing is said. */
static bool why_left(const json_t *record, const struct kf_board *board, bool named, char *ret,
		     size_t size)
{
	const char *state = text_of(record, "state"), *reason = text_of(record, "reason");
	static const char *const quiet[] = { "up to date", "firmware of others", "not connected",
					     NULL };
	const char *wire = kf_wire_name(board->link.type);
	bool may = !named && to_update(record, board, true) && !is_of_two_chips(record);
	bool pru = board->link.type == KF_WIRE_PROCESS && !kf_path_is_process(board->link.path);
	char named_so[2 * KF_NAME_SIZE];
	const char *label = label_of(board, named_so);

	if (!named && (is_any(state, quiet) || board->excluded || is_unknown(board)))
		return false;
	if (board->excluded)
		kf_text_format(ret, size, "%s is left alone: %s", label,
			       board->reason[0] ? board->reason : "excluded");
	else if (is_half_away(state, board))
		explain_half_away(board, ret, size);
	else if (strcmp(state, "up to date") == 0)
		kf_text_format(ret, size, "%s is up to date", label);
	else if (!board->key[0] && board->printer.mcu[0] && wire && strncmp(wire, "usb", 3) != 0 &&
		 strcmp(state, "behind") == 0)
		kf_text_format(
			ret, size, "%s is behind, but %s%s%s", label,
			pru ? "kf does not flash a BeagleBone's PRU: in "
			    : "its name is another board's key: kf add",
			pru ? text_of(record, "tree") : "",
			pru ? ", make menuconfig (Beaglebone PRU), and with Klipper stopped, "
			      "make flash"
			    : "");
	else
		kf_text_format(ret, size, "%s is left as it is: %s%s%s%s%s", label, state,
			       reason[0] ? ": " : "", reason,
			       may ? "; to flash it all the same: kf update " : "",
			       may ? board->key : "");
	return true;
}

/* Tell, once for each Klippy, that it does not run what its tree has. */
static void tell_hosts(const json_t *found, void (*told)(const char *line))
{
	const char *last = "";
	struct kf_board board;
	char line[512];

	for (size_t i = 0; kf_record_at(found, i, &board); i++) {
		const json_t *record = json_array_get(found, i);
		const char *host = text_of(record, "host"), *unit = board.printer.unit;
		const char *printer = json_string_value(json_object_get(
			json_object_get(json_object_get(record, "board"), "printer"), "name"));

		if ((strcmp(host, "behind") != 0 && strcmp(host, "ahead") != 0 &&
		     strcmp(host, "differs") != 0) ||
		    !printer || strcmp(printer, last) == 0)
			continue;
		kf_text_format(
			line, sizeof(line),
			"Klippy of %s runs %s, and its tree has %s: it takes that when it is "
			"started again%s%s%s",
			printer, text_of(record, "host_version"), text_of(record, "tree_version"),
			text_of(record, "host_print")[0] ? " after the print" : "",
			unit[0] ? " (sudo systemctl restart " : "", unit);
		if (unit[0])
			kf_text_add(line, sizeof(line), "", ")");
		told(line);
		last = printer;
	}
}

/* The last board that is left. It is told at once, or becomes the error if nothing is updated. */
struct left {
	char line[1024];
	bool failed, connected, unknown; /* unknown: no printer and not the registry names it */
};

static void leave(struct left *left, const json_t *record, const struct kf_board *board, bool named,
		  void (*told)(const char *line))
{
	char line[sizeof(left->line)];

	if (!why_left(record, board, named, line, sizeof(line)))
		return;
	if (left->line[0])
		told(left->line);
	KF_COPY(left->line, line);
	left->failed = strcmp(text_of(record, "state"), "up to date") != 0;
	left->connected = board->connected;
	left->unknown = is_unknown(board) && !is_hidden(record, board);
}

/* Nothing is behind, as far as the boards have told. */
static void tell_nothing(const json_t *found, void (*told)(const char *line))
{
	size_t compared = 0, unasked = 0, unknown = 0, hidden = 0, away = 0, left = 0;
	static const char *const asked[] = { "up to date", "ahead", "differs", NULL };
	struct kf_board board;
	char line[512];

	for (size_t i = 0; kf_record_at(found, i, &board); i++) {
		const char *state = text_of(json_array_get(found, i), "state");
		bool silent = strcmp(state, "not asked") == 0;

		if (board.excluded)
			continue;
		if (is_hidden(json_array_get(found, i), &board))
			hidden += silent || strcmp(state, "in its bootloader") == 0;
		else if (is_unknown(&board))
			unknown += silent || strcmp(state, "in its bootloader") == 0;
		else
			unasked += silent;
		away += is_half_away(state, &board);
		left += strcmp(state, "behind") == 0;
		compared += is_any(state, asked);
	}
	kf_text_format(line, sizeof(line), "nothing%s%s is behind%s", left ? " else" : "",
		       away ? " that is connected" : "",
		       unasked || unknown || hidden ? ", as far as is known" : "");
	if (unasked + unknown + hidden > 0 && !compared)
		kf_text_format(line, sizeof(line), "it is not known whether %s board is behind",
			       left ? "another" : "a");
	told(line);
	kf_text_format(line, sizeof(line),
		       "%zu board%s not asked, for a printer here does not tell its boards", hidden,
		       hidden == 1 ? " was" : "s were");
	if (hidden)
		told(line);
	kf_text_format(line, sizeof(line),
		       "%zu board%s not asked, for no printer names %s and %s not registered: "
		       "register %s with kf add",
		       unknown, unknown == 1 ? " was" : "s were", unknown == 1 ? "it" : "them",
		       unknown == 1 ? "it is" : "they are", unknown == 1 ? "it" : "them");
	if (unknown)
		told(line);
}

/* No board that was named is updated: an error, unless all are up to date. */
static int none_left(const struct left *left, void (*told)(const char *line), struct kf_error *err)
{
	if (!left->failed) {
		if (left->line[0])
			told(left->line);
		return 0;
	}
	kf_fail(err, left->connected ? KF_CONFIG : KF_NOT_CONNECTED, "%s", left->line);
	if (left->unknown && left->connected)
		kf_error_hint(err, "%s", kf_registry_advice("register it with kf add"));
	return kf_code_errno(err->code);
}

int kf_update_choose(const json_t *found, bool named, void (*told)(const char *line), json_t **ret,
		     struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *list = json_array();
	struct left left = { 0 };
	struct kf_board board;

	for (size_t i = 0; kf_record_at(found, i, &board); i++) {
		json_t *record = json_array_get(found, i);

		if (!to_update(record, &board, named))
			leave(&left, record, &board, named, told);
		else if (json_array_append(list, record) < 0)
			return kf_fail_sys(err, ENOMEM, "boards");
	}
	if (left.line[0] && (!named || json_array_size(list) > 0))
		told(left.line);
	tell_hosts(found, told);
	if (json_array_size(list) > 0) {
		*ret = TAKE_PTR(list);
		return 0;
	}
	if (named)
		return none_left(&left, told, err);
	tell_nothing(found, told);
	return 0;
}
