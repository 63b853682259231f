/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "board/record.h"
#include "build/configure.h"
#include "commands.h"
#include "core/clock.h"
#include "core/text.h"
#include "flash/ask-board.h"
#include "flash/target.h"
#include "printer/described.h"
#include "printer/tell.h"
#include "registry/config-note.h"
#include "registry/device.h"
#include "registry/listing.h"
#include "registry/saved-config.h"
#include "terminal/log.h"
#include "terminal/terminal.h"
#include "usb/holder.h"

static const char phase[] = "Config";

static void announce_menuconfig(const struct kf_board *board)
{
	kf_log_phase(phase, board->key, "menuconfig for %s (%s): save before you leave it",
		     board->name, board->mcu);
}

static struct kf_printers printers;
static bool compares; /* what the boards tell is not taken, only compared */

/* The board's Klippy is asked first: a port that Klippy has is not opened. */
static int tell(const struct kf_board *board, struct kf_board_told *ret, struct kf_error *err)
{
	int r = kf_printers_tell(&printers, board, ret, err);
	struct kf_board_told known;
	struct kf_board now;

	if (r == 1) {
		if (!compares || kf_saved_config_days(board->key) == -ENOENT)
			kf_log_phase(
				phase, board->key, "%s",
				ret->facts.kconfig
					? "its firmware carries its configuration: Klippy tells it"
					: "Klippy tells what its firmware was built for");
		return 0;
	}
	known = *ret;
	if (r < 0)
		return r;
	/* A read may have sent it back to its firmware since. */
	if (!kf_target_look(board, &now))
		now = *board;
	kf_holders_find(&now, 1);
	/* No process has the port of a node or a bridge: only the scan asks who talks to it. */
	if (board->link.type == KF_WIRE_CAN)
		now.holder = board->holder;
	r = kf_board_ask(&now, ret, err);
	ret->has_pins = known.has_pins;
	ret->pins = known.pins;
	return r;
}

static void show_step(const char *key, const char *text)
{
	kf_log_phase(phase, key, "%s", text);
}

static void configure(struct kf_configure *c, json_t *record, const struct kf_board *board)
{
	struct kf_error failure = { 0 };
	struct kf_configured done;

	if (kf_configure_board(c, board, &done, &failure) < 0) {
		kf_error_for(&failure, board->key);
		if (failure.code != KF_INTERRUPTED && !c->told)
			kf_log_error(board->key, &failure);
		kf_record_set_error(record, kf_log_tool(), &failure);
		return;
	}
	if (done.differs[0])
		kf_log_warn(board->key,
			    "what is saved is used, and it is not what the board runs: %s; to "
			    "choose: kf config %s --from-board",
			    done.differs, board->key);
	kf_configure_tell(&done, board->key, show_step);
	json_object_set_new(record, "config", kf_configure_member(&done));
	kf_kconfig_free(&done.kconfig);
}

static bool wanted(const struct kf_configure *c, const json_t *record, struct kf_board *board)
{
	return kf_record_board(record, board, NULL) == 0 && kf_configure_wants(c, board) &&
	       !kf_record_failed(record) && !kf_record_skipped(record);
}

/*
 * The user left the question of the board key: ask about no other board, and build for none. If
 * nothing is handed on to a build, what was saved before that question counts as done.
 */
static void leave_all(const struct kf_configure *c, const json_t *records, const char *key)
{
	struct kf_error left = { 0 };
	struct kf_board board;
	json_t *record;
	size_t i;

	kf_fail(&left, KF_NOT_SAVED, "the question for %s was left, so nothing is done", key);
	json_array_foreach(records, i, record) {
		if (wanted(c, record, &board) && (c->asks || !json_object_get(record, "config")))
			kf_record_set_error(record, kf_log_tool(), &left);
	}
}

/* Boards that are not ours to configure pass as they came. Returns the exit status. */
static int configure_all(struct kf_configure *c, json_t *records, struct kf_error *err)
{
	struct kf_board board;
	json_t *record;
	size_t i;

	json_array_foreach(records, i, record) {
		if (wanted(c, record, &board))
			configure(c, record, &board);
		if (kf_stop_signal())
			return kf_fail_sys(err, EINTR, "stopped");
		if (kf_terminal_left()) {
			leave_all(c, records, board.key);
			break;
		}
	}
	return kf_record_status(records);
}

static size_t count_wanted(const struct kf_configure *c, const json_t *records)
{
	struct kf_board board;
	const json_t *record;
	size_t i, count = 0;

	json_array_foreach(records, i, record) {
		count += wanted(c, record, &board);
	}
	return count;
}

/* menuconfig is asked for, and err says that there is no terminal: what to type for the board. */
static int no_menuconfig(const struct kf_configure *c, const json_t *records, struct kf_error *err)
{
	struct kf_board board;
	const json_t *record;
	size_t i;

	json_array_foreach(records, i, record) {
		if (!wanted(c, record, &board))
			continue;
		if (kf_saved_config_days(board.key) == -ENOENT)
			(void)kf_saved_config_missing(board.key, err);
		else
			kf_error_hint(err, "type on a terminal: kf config %s", board.key);
		kf_error_prefix(err, "%s", board.key);
		break;
	}
	return kf_code_errno(err->code);
}

/* Find the printers if a record names a board of one: its Klippy may tell the configuration. */
static int look_for_printers(const struct args *args, const json_t *records,
			     struct kf_registry *registry, struct kf_error *err)
{
	struct kf_answers answers;
	struct kf_board board;
	const json_t *record;
	bool wanted = false;
	size_t i;
	int r = kf_printers_describe_records(records, registry, &printers, err);

	json_array_foreach(records, i, record) {
		if (kf_record_board(record, &board, NULL) == 0 && board.printer.mcu[0] &&
		    (args->from_board || args->prove || args->compare ||
		     kf_answers_load(board.key, &answers) ||
		     kf_saved_config_days(board.key) == -ENOENT))
			wanted = true;
	}
	return r == 0 && wanted && printers.count == 0 ? kf_printers_find(&printers, err) : r;
}

/* Is there no tree for this registered or described board, and did nobody name one? */
static bool tree_is_missing(const struct kf_registry *registry, const char *key)
{
	struct kf_device device;
	struct kf_tree tree;

	return kf_registry_device(registry, key, &device, NULL) == 0 && !device.klipper_dir &&
	       !kf_registry_names_tree(registry, NULL) &&
	       kf_tree_open(kf_registry_klipper_dir(registry, &device), &tree, NULL) < 0;
}

/*
 * Ask until a tree is named; it becomes "klipper_dir" of all boards, in devices.json and in
 * registry. 0 also where nothing is typed or the user leaves: then the board fails for want of a
 * tree.
 */
static int ask_tree(int tty, struct kf_registry *registry, struct kf_error *err)
{
	char answer[PATH_MAX], assignment[PATH_MAX + 16];
	char *const assignments[] = { assignment, NULL };
	struct kf_error why = { 0 };
	struct kf_tree tree;
	const char *dir;
	int r;

	for (;;) {
		r = kf_terminal_ask(tty, answer, sizeof(answer), err,
				    "No source tree was found. Klipper's or Kalico's source "
				    "folder: ");
		if (r <= 0 || !answer[0])
			return r < 0 ? r : 0;
		if (kf_tree_open(answer, &tree, &why) == 0)
			break;
		kf_terminal_tell(tty, "  %s\n", why.message);
	}
	/* Later runs start in other folders: what is kept begins with "/" or "~". */
	dir = strchr("/~", answer[0]) ? answer : tree.dir;
	kf_text_format(assignment, sizeof(assignment), "klipper_dir=%s", dir);
	r = kf_device_set(NULL, assignments, err);
	if (r == 0)
		json_object_set_new(kf_registry_section(registry, "global"), "klipper_dir",
				    json_string(dir));
	return r;
}

static int find_trees(const struct kf_configure *c, const json_t *records,
		      struct kf_registry *registry, struct kf_error *err)
{
	struct kf_board board;
	const json_t *record;
	size_t i;

	json_array_foreach(records, i, record) {
		if (wanted(c, record, &board) && tree_is_missing(registry, board.key))
			return ask_tree(c->tty, registry, err);
	}
	return 0;
}

static int print(const struct args *args, const json_t *record, struct kf_error *err)
{
	if (!args->common.table)
		return kf_record_write(stdout, record, err);
	kf_listing_record(stdout, record);
	return 0;
}

/*
 * All is read before the first board and written after the last: menuconfig has the terminal
 * to itself, and a run that is stopped hands nothing on to be built.
 */
int filter_run(struct args *args, char **words, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	_cleanup_(kf_json_decrefp) json_t *records = json_array();
	_cleanup_(kf_closep) int tty = -1;
	struct kf_configure c = { .registry = &registry,
				  .klipper_dir = args->klipper_dir[0] ? args->klipper_dir : NULL,
				  .from = args->from[0] ? args->from : NULL,
				  .from_board = args->from_board,
				  .prove = args->prove,
				  .compare = args->compare,
				  .yes = args->remove.yes,
				  .step = show_step,
				  .tell = tell,
				  .opens = announce_menuconfig,
				  .menuconfig = args->menuconfig,
				  .saved = args->saved,
				  .connected = args->connected,
				  .asks = !args->common.table,
				  .accept_difference = args->accept_difference,
				  .timeout_ms = args->timeout_ms,
				  .wait_ms = args->wait_ms };
	struct kf_error no_terminal = { 0 };
	int status, r;

	(void)words;
	compares = args->compare;
	if (isatty(STDIN_FILENO))
		return kf_fail(err, KF_USAGE,
			       "boards come in a pipe; on a terminal: kf config KEY");
	r = kf_record_read_all(stdin, kf_log_error, records, err);
	if (r < 0)
		return r;
	if (c.from && count_wanted(&c, records) != 1)
		return kf_fail(
			err, KF_USAGE,
			"--from needs one registered board on standard input, and there are %zu",
			count_wanted(&c, records));
	if (kf_terminal_open(&tty, &no_terminal) < 0 && c.menuconfig) {
		*err = no_terminal;
		return no_menuconfig(&c, records, err);
	}
	c.tty = tty;
	r = kf_registry_load(&registry, err);
	if (r == 0)
		r = look_for_printers(args, records, &registry, err);
	if (r == 0 && c.tty >= 0 && !c.klipper_dir)
		r = find_trees(&c, records, &registry, err);
	status = r < 0 ? r : configure_all(&c, records, err);
	r = status < 0 ? status : 0;
	for (size_t i = 0; r == 0 && i < json_array_size(records); i++)
		if (!args->common.table || !kf_log_told() ||
		    !kf_record_failed(json_array_get(records, i)))
			r = print(args, json_array_get(records, i), err);
	kf_printers_free(&printers);
	return r < 0 ? r : status;
}
