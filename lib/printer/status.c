/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Boards and hosts of one tree are compared in one call: git is started once for each commit. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "board/identity.h"
#include "board/last-flash.h"
#include "core/text.h"
#include "printer/described.h"
#include "printer/status.h"

/* One version that is compared with a tree: of a board, or of its printer's Klippy. */
struct asked {
	const char *dir; /* of the tree; NULL: there is none, or it is compared already */
	struct kf_running running;
	struct kf_revision *ret; /* NULL: only the tree's own version is wanted */
	struct kf_status *status;
};

static bool is_usb(const struct kf_board *board)
{
	return board->link.type == KF_WIRE_USB_SERIAL || board->link.type == KF_WIRE_USB ||
	       board->link.type == KF_WIRE_NONE;
}

static void set(struct kf_status *ret, enum kf_status_state state, const char *reason)
{
	ret->board.state = state;
	KF_COPY(ret->board.reason, reason);
}

/* The reason why no printer names a board. */
static const char *why_unnamed(const struct kf_printers *printers)
{
	for (size_t i = 0; i < printers->count; i++)
		if (kf_printer_may_have(&printers->list[i]))
			return strcmp(printers->list[i].state, "unknown") == 0
				       ? "a printer here does not tell its boards"
				       : "the configuration of a printer here cannot be read";
	return "no printer here names it";
}

/* Set the reason why nobody tells the version of the board. */
static void not_asked(const struct kf_board *board, const struct kf_printers *printers,
		      struct kf_status *ret)
{
	const struct kf_printer *printer = ret->printer;
	const char *reason = board->reason;

	ret->board.state = KF_STATUS_NOT_ASKED;
	if (strncmp(reason, "not asked: ", strlen("not asked: ")) == 0)
		reason += strlen("not asked: ");
	if (!printer && board->holder.pid)
		kf_text_format(ret->board.reason, sizeof(ret->board.reason),
			       "%.60s (process %d) has its port", board->holder.command,
			       (int)board->holder.pid);
	else if (!printer)
		set(ret, KF_STATUS_NOT_ASKED, why_unnamed(printers));
	else if (!is_usb(board) && reason[0])
		set(ret, KF_STATUS_NOT_ASKED, reason);
	else if (!printer->pid)
		kf_text_format(ret->board.reason, sizeof(ret->board.reason),
			       "Klipper (%.100s) does not run",
			       printer->unit[0] ? printer->unit : printer->name);
	else if (strcmp(printer->state, "unknown") == 0)
		set(ret, KF_STATUS_NOT_ASKED, "its Klippy does not answer");
	else
		kf_text_format(ret->board.reason, sizeof(ret->board.reason),
			       "Klippy has no connection to it%s%.200s",
			       printer->message[0] ? ": " : "", printer->message);
}

/* A board that is not connected, unlike one that is, cannot be brought into its bootloader. */
static void incomplete(const struct kf_board *board, struct kf_status *ret)
{
	char command[sizeof("kf flash ") + KF_KEY_SIZE], next[KF_REASON_SIZE] = "";

	kf_text_format(command, sizeof(command), "kf flash %s", board->key);
	if (!board->connected && is_usb(board))
		kf_last_flash_next(board, command, next, sizeof(next));
	set(ret, KF_STATUS_INCOMPLETE, "");
	if (next[0])
		kf_text_format(ret->board.reason, sizeof(ret->board.reason),
			       "it is not connected: %s", next);
}

/* Was firmware put on its SD card that it does not run? */
static bool is_pending(const struct kf_board *board, struct kf_status *ret)
{
	struct kf_last_flash last = { 0 };

	if (board->key[0])
		kf_last_flash_load(board->key, &last);
	if (!last.pending[0] || strcmp(last.pending, board->version) == 0)
		return false;
	ret->board.state = KF_STATUS_PENDING;
	kf_text_format(
		ret->board.reason, sizeof(ret->board.reason),
		"%.100s is on its SD card and does not run: power-cycle the printer; if that "
		"was done, its bootloader has refused the file: kf flash %s",
		last.pending, board->key);
	return true;
}

/* Judges what needs no version. False: the versions have to be compared. */
static bool judge(const struct kf_board *board, const struct kf_error *problem,
		  const struct kf_printers *printers, struct kf_status *ret)
{
	const char *foreign = kf_board_foreign(board);

	if (problem->code != KF_OK)
		set(ret, KF_STATUS_NOT_ASKED, problem->message);
	else if (foreign)
		set(ret, KF_STATUS_FOREIGN, foreign);
	else if (board->mode == KF_MODE_OTHER && !board->key[0] && !board->printer.mcu[0] &&
		 !kf_board_in_loader(board))
		set(ret, KF_STATUS_FOREIGN, "");
	else if (board->incomplete[0])
		incomplete(board, ret);
	else if (!board->connected && is_usb(board))
		set(ret, KF_STATUS_NOT_CONNECTED, board->reason);
	else if (board->mode == KF_MODE_KATAPULT || kf_board_in_loader(board)) {
		bool named = board->mode != KF_MODE_OTHER; /* SAM-BA and HID have no word there */

		ret->board.state = KF_STATUS_BOOTLOADER;
		kf_text_format(ret->board.reason, sizeof(ret->board.reason), "%s%s%s",
			       named ? kf_mode_name(board->mode) : "",
			       named && board->reason[0] ? ": " : "", board->reason);
	} else if (!board->version[0])
		not_asked(board, printers, ret);
	else
		return is_pending(board, ret);
	return true;
}

/* Does Klippy name another chip than the USB name? Then its answers may be another board's. */
static bool disagree(const struct kf_board *board, const struct kf_mcu *mcu, struct kf_status *ret)
{
	char usb[64], told[64] = "";

	kf_identity_mcu(&board->usb, usb);
	if (mcu)
		kf_mcu_chip(mcu, told);
	if (!usb[0] || !told[0] || kf_mcu_same(usb, told))
		return false;
	ret->board.state = KF_STATUS_NOT_ASKED;
	KF_COPY(ret->other_mcu, told);
	kf_text_format(ret->board.reason, sizeof(ret->board.reason),
		       "Klippy says that it is %s, its USB name says %s", told, usb);
	return true;
}

/* The tree of a board that the registry knows, else its printer's; NULL: none can be named. */
static const char *find_dir(const struct kf_registry *registry, const struct kf_board *board,
			    const struct kf_printer *printer)
{
	struct kf_device device;

	if (board->key[0] && kf_registry_device(registry, board->key, &device, NULL) == 0)
		return kf_registry_klipper_dir(registry, &device);
	if (printer && kf_printer_tree_usable(printer))
		return printer->tree;
	return printer ? kf_registry_klipper_dir(registry, NULL) : NULL;
}

/* Compare all versions of this tree at once. */
static int compare(struct asked *list, size_t count, const char *dir, int64_t deadline_ms,
		   struct kf_error *err)
{
	struct kf_running *running = calloc(count, sizeof(*running));
	struct kf_revision *revisions = calloc(count, sizeof(*revisions));
	struct kf_tree_head head = { 0 };
	struct kf_error why = { 0 };
	struct kf_tree tree;
	size_t n = 0;
	int r = running && revisions ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < count; i++)
		if (list[i].dir && strcmp(list[i].dir, dir) == 0)
			running[n++] = list[i].running;
	if (r == 0 && kf_tree_open(dir, &tree, &why) == 0)
		r = kf_revisions_compare(&tree, running, n, deadline_ms, revisions, &head, err);
	else if (r == 0)
		for (size_t i = 0; i < n; i++)
			KF_COPY(revisions[i].reason, why.message);
	n = 0;
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (!list[i].dir || strcmp(list[i].dir, dir) != 0)
			continue;
		if (list[i].ret)
			*list[i].ret = revisions[n];
		n++;
		kf_text_format(list[i].status->tree_version, sizeof(head.text), "%s", head.text);
		if (i > 0) /* the first one's dir is what dir points to */
			list[i].dir = NULL;
	}
	free(running);
	free(revisions);
	return r == -ENOMEM ? kf_fail_sys(err, ENOMEM, "cannot compare the boards") : r;
}

static int compare_all(struct asked *list, size_t count, int64_t deadline_ms, struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		const char *dir = list[i].dir;

		if (dir)
			r = compare(list + i, count - i, dir, deadline_ms, err);
	}
	return r;
}

/* Begin with one board: which versions of it are to be compared? Returns how many. */
static size_t begin(const struct kf_inventory *inventory, const struct kf_printers *printers,
		    size_t i, struct kf_status *ret, struct asked *asked)
{
	const struct kf_board *board = &inventory->boards.list[i];
	const struct kf_mcu *mcu = NULL;
	const char *dir;
	bool judged;
	size_t n = 0;

	*ret = (struct kf_status){ 0 };
	if (!kf_printers_mcu(printers, board, &ret->printer, &mcu))
		ret->printer = NULL;
	judged = judge(board, &inventory->errors[i], printers, ret) || disagree(board, mcu, ret);
	dir = find_dir(inventory->registry, board, ret->printer);
	KF_COPY(ret->tree, dir ? dir : "");
	if (!ret->tree[0] && !judged)
		set(ret, KF_STATUS_NOT_ASKED, "no source tree is known for it");
	if (!ret->tree[0])
		return 0;
	/* Ask also for a board that waits for firmware: the tree's own version is wanted then. */
	if (!judged || ret->board.state == KF_STATUS_INCOMPLETE ||
	    ret->board.state == KF_STATUS_BOOTLOADER)
		asked[n++] = (struct asked){
			.dir = ret->tree,
			.running = { mcu && mcu->version[0] ? mcu->app : "",
				     judged ? "" : board->version },
			.ret = judged ? NULL : &ret->board,
			.status = ret,
		};
	if (ret->printer && ret->printer->version[0])
		asked[n++] =
			(struct asked){ ret->tree, { "", ret->printer->version }, &ret->host, ret };
	return n;
}

int kf_status_find(const struct kf_inventory *inventory, const struct kf_printers *printers,
		   int64_t deadline_ms, struct kf_status *ret, struct kf_error *err)
{
	size_t count = inventory->boards.count, n = 0;
	struct asked *asked = calloc(2 * count + 1, sizeof(*asked));
	int r;

	if (!asked)
		return kf_fail_sys(err, ENOMEM, "cannot compare the boards");
	for (size_t i = 0; i < count; i++)
		n += begin(inventory, printers, i, &ret[i], asked + n);
	r = compare_all(asked, n, deadline_ms, err);
	free(asked);
	return r;
}

bool kf_status_concerns(const struct kf_board *board, const struct kf_printer *printer)
{
	if (board->printer.mcu[0])
		return strcmp(board->printer.name, printer->name) == 0;
	return kf_printer_may_have(printer);
}

/* [{"printer", "message", "hint"}]; NULL: none. */
static json_t *problems_of(const struct kf_board *board, const struct kf_printers *printers)
{
	json_t *list = json_array();
	struct kf_error problem;

	for (size_t i = 0; i < printers->count; i++) {
		const struct kf_printer *printer = &printers->list[i];

		if (kf_status_concerns(board, printer) && kf_printer_problem(printer, &problem))
			json_array_append_new(
				list, json_pack("{s:s, s:s, s:s}", "printer", printer->name,
						"message", problem.message, "hint", problem.hint));
	}
	if (json_array_size(list) > 0)
		return list;
	json_decref(list);
	return NULL;
}

json_t *kf_status_to_json(const struct kf_board *board, const struct kf_printers *printers,
			  const struct kf_status *status)
{
	const struct kf_printer *printer = status->printer;
	const struct kf_print_state none = { .percent = -1 };
	const struct kf_print_state *print = printer ? &printer->print : &none;
	bool told = printer && printer->version[0];

#define OR_NULL(text) ((text)[0] ? (text) : NULL)
	return json_pack(
		"{s:s, s:s?, s:s?, s:s?, s:s?, s:s?, s:I, s:I, s:s?, s:s?, s:s?, s:s?, s:s?, "
		"s:o?, s:I, s:o?}",
		"state", kf_revision_name(status->board.state), "reason",
		OR_NULL(status->board.reason), "other_mcu", OR_NULL(status->other_mcu), "version",
		OR_NULL(board->version), "tree", OR_NULL(status->tree), "tree_version",
		OR_NULL(status->tree_version), "behind", (json_int_t)status->board.behind, "ahead",
		(json_int_t)status->board.ahead, "host",
		told ? kf_revision_name(status->host.state) : NULL, "host_version",
		told ? printer->version : NULL, "host_state", printer ? printer->state : NULL,
		"host_print", kf_print_name(print->state), "host_print_file", OR_NULL(print->file),
		"host_print_percent", print->percent >= 0 ? json_integer(print->percent) : NULL,
		"host_behind", (json_int_t)status->host.behind, "problems",
		problems_of(board, printers));
#undef OR_NULL
}
