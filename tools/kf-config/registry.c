/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "board/identity.h"
#include "board/record.h"
#include "core/clock.h"
#include "install.h"
#include "printer/look.h"
#include "registry/import.h"
#include "registry/listing.h"
#include "registry/settings.h"
#include "terminal/log.h"
#include "terminal/terminal.h"

static const char phase[] = "Config";

/* One line of JSON, or for people what show() writes. */
static int print(const struct args *args, const json_t *object,
		 void (*show)(FILE *out, const json_t *object), struct kf_error *err)
{
	if (!args->common.table)
		return kf_record_write(stdout, object, err);
	show(stdout, object);
	return 0;
}

/* Describe a board: what is registered, else what its printer and its port say; a new reference. */
static json_t *tell_board(const struct kf_registry *registry, const struct kf_board *board)
{
	static const char *const members[] = { "mcu",	"connected", "mode",  "tty",
					       "by_id", "version",   "reason" };
	_cleanup_(kf_json_decrefp) json_t *seen = NULL;
	json_t *object = board->key[0] ? kf_listing_device(registry, board->key)
				       : json_pack("{s:b}", "registered", 0);
	const json_t *printer;

	if (kf_registry_has(registry, board->key))
		return object;
	seen = kf_board_to_json(board);
	printer = json_object_get(seen, "printer");
	if (json_is_object(printer))
		json_object_set(object, "printer", json_object_get(printer, "name"));
	for (size_t i = 0; i < KF_ARRAY_SIZE(members); i++) {
		json_t *value = json_object_get(seen, members[i]);

		if (!json_is_null(value))
			json_object_set(object, members[i], value);
	}
	if (board->usb.port[0])
		json_object_set_new(object, "usb_port", json_string(board->usb.port));
	return object;
}

/* Boards that nobody registered: a printer's configuration names them, or they are only there. */
static int show_others(const struct args *args, const char *name, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { .lock = -1 };
	_cleanup_(kf_inventory_free) struct kf_inventory inventory = { 0 };
	_cleanup_(kf_printers_free) struct kf_printers printers = { 0 };
	const char *whole = name;
	bool cut = false;
	int r = kf_look(&registry, &inventory, &printers, err);

	if (r == 0)
		r = kf_look_name(&inventory, &whole, &cut, err);
	if (cut)
		kf_log_phase(phase, NULL, "\"%s\" is %s", name, whole);
	for (size_t i = 0; r == 0 && i < inventory.boards.count; i++) {
		const struct kf_board *board = &inventory.boards.list[i];
		_cleanup_(kf_json_decrefp) json_t *object = NULL;

		if (!kf_look_is(board, whole))
			continue;
		object = tell_board(&registry, board);
		r = print(args, object, kf_listing_members, err);
	}
	return r;
}

/* Show a board or, without a key, the settings for all boards. */
int command_show(struct args *args, char **words, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *object = NULL;
	struct kf_error none = { 0 };
	int r = kf_listing_load(words[0], &object, &none);

	if (r == 0)
		return print(args, object, kf_listing_members, err);
	if (none.code == KF_NOT_REGISTERED)
		return show_others(args, words[0], err);
	*err = none;
	return r;
}

int command_list(struct args *args, char **words, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	struct kf_device device;
	size_t count = 0;
	int r = kf_registry_load(&registry, err);

	(void)words;
	for (void *at = NULL; r == 0 && kf_registry_next(&registry, &at, &device); count++) {
		_cleanup_(kf_json_decrefp) json_t *json = kf_listing_device(&registry, device.key);

		r = print(args, json, kf_listing_row, err);
	}
	if (r == 0 && count == 0)
		kf_log_phase(phase, NULL, "%s",
			     kf_registry_advice("nothing is registered yet: kf add"));
	return r;
}

/* klipper_dir=DIR and katapult_dir=DIR: kept as they are, with a word about what DIR lacks. */
static void warn_dirs(const char *key, char *const *assignments)
{
	const char *lacks, *dir;

	for (; *assignments; assignments++) {
		dir = strstr(*assignments, "_dir=");
		if (!dir || strchr(*assignments, '=') != dir + 4 || !dir[5])
			continue;
		lacks = kf_settings_dir_lacks(dir + 5);
		if (lacks)
			kf_log_warn(key, "%s %s", dir + 5, lacks);
	}
}

static int nothing_to_set(const char *key, struct kf_error *err)
{
	kf_fail(err, KF_USAGE, "set: no member=value was given");
	return kf_error_hint(err, "for example: kf set %s%s; man kf-config lists what can be set",
			     key ? key : "--global ",
			     key ? " name=\"Octopus Pro\"" : "klipper_dir=~/klipper");
}

int command_set(struct args *args, char **words, struct kf_error *err)
{
	char *key[] = { args->global ? NULL : *words++, NULL };
	int r = *words ? kf_device_set(key[0], words, err) : nothing_to_set(key[0], err);

	if (r < 0)
		return r;
	warn_dirs(key[0], words);
	return command_show(args, key, err);
}

int command_remove(struct args *args, char **words, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *gone = NULL;
	int r = kf_remove_board(&args->remove, words[0], &gone, err);

	if (r <= 0)
		return r;
	if (json_is_false(json_object_get(gone, "config_deleted")))
		kf_log_phase(phase, words[0], "removed; its saved configuration stays");
	else
		kf_log_phase(phase, words[0], "removed");
	return args->common.table ? 0 : kf_record_write(stdout, gone, err);
}

int command_import(struct args *args, char **words, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *report = NULL;
	int r = kf_import(words[0], &report, err);

	return r < 0 ? r : print(args, report, kf_listing_members, err);
}

int command_export(struct args *args, char **words, struct kf_error *err)
{
	(void)args;
	return kf_export(words[0] ? words[0] : "-", stdout, err);
}

int command_add(struct args *args, char **words, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *records = json_array(), *record = NULL;
	struct kf_add *request = &args->request;
	_cleanup_(kf_closep) int tty = -1;
	struct kf_new_device e;
	struct kf_board board;
	int r = 0;

	(void)words;
	request->given.baud = (uint32_t)args->baud;
	if (!isatty(STDIN_FILENO))
		r = kf_record_read_all(stdin, kf_log_error, records, err);
	else if (!request->given.pattern[0] && !args->port)
		r = kf_fail(err, KF_USAGE,
			    "pipe boards in: kf-scan | kf-config add; on a terminal: kf add");
	if (r == 0 && args->bootloader)
		r = install_check(args, err);
	if (r < 0)
		return r;
	if (!kf_add_complete(request) && kf_terminal_open(&tty, NULL) == 0)
		request->tty = tty;
	r = kf_add_board(request, records, &e, &board, err);
	/* The user left with q, which is a "no": that is no error. */
	if (r < 0 && err->code == KF_INTERRUPTED && !kf_stopped()) {
		kf_log_phase(phase, NULL, "%s", err->message);
		return 0;
	}
	if (r < 0)
		return r;
	kf_log_phase(phase, e.key, "%s (%s) is registered%s", e.name, e.mcu,
		     board.connected ? "" : " for later: it is not plugged in");
	if (e.by_port)
		kf_log_warn(e.key, "%s: leave it on USB port %s, which identifies it",
			    kf_board_in_loader(&board)
				    ? "in that bootloader it shows no serial number"
			    : kf_board_has_serial(&board) ? "another board shows its serial number"
			    : board.usb.serial[0]	  ? "it has no serial number of its own"
							  : "it shows no serial number",
			    e.port.usb_port);
	record = kf_record_new(&board);
	r = args->common.table ? 0 : kf_record_write(stdout, record, err);
	if (r == 0 && fflush(stdout) == EOF)
		r = kf_fail_sys(err, errno, "cannot write to standard output");
	return r < 0 ? r : install_first(args, &board, err);
}
