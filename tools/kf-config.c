/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kf-config: the "config" member of records, and the registry. As a filter it gives each
 * registered board its saved Kconfig, updated on a copy; with a command it shows or
 * changes devices.json. Questions go to /dev/tty, for 0 and 1 are the pipe's.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board/identity.h"
#include "board/port.h"
#include "board/record.h"
#include "build/configure.h"
#include "build/tree-ask.h"
#include "core/clock.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/terminal.h"
#include "core/text.h"
#include "core/usage.h"
#include "core/value.h"
#include "flash/ask-board.h"
#include "flash/target.h"
#include "printer/described.h"
#include "printer/tell.h"
#include "registry/add.h"
#include "registry/answers.h"
#include "registry/import.h"
#include "registry/listing.h"
#include "registry/remove.h"
#include "registry/saved-config.h"
#include "registry/settings.h"
#include "usb/holder.h"

static const char phase[] = "Config";

enum { TIMEOUT_S = 60 };

static struct {
	char klipper_dir[PATH_MAX], from[PATH_MAX];
	struct kf_add request;
	int64_t timeout_ms, wait_ms, baud;
	const char *port;
	struct kf_remove remove;
	bool table, quiet, menuconfig, saved, connected, accept_difference, global, from_board,
		prove;
} opt = { .request.tty = -1, .timeout_ms = TIMEOUT_S * INT64_C(1000), .wait_ms = KF_WAIT_MS };

/* All options: each sets a flag, or copies its argument to a text; the rest is set_option's. */
static const struct {
	struct option option;
	bool *flag;
	char *text;
	size_t size; /* of text */
} all_options[] = {
#define FLAG(name, c, member)                                                                      \
	{                                                                                          \
		{ name, no_argument, NULL, c }, &opt.member, NULL, 0                               \
	}
#define TEXT(name, c, member)                                                                      \
	{                                                                                          \
		{ name, required_argument, NULL, c }, NULL, opt.member, sizeof(opt.member)         \
	}
	FLAG("menuconfig", 'M', menuconfig),
	FLAG("saved", 'S', saved),
	FLAG("connected", 'C', connected),
	FLAG("accept-difference", 'A', accept_difference),
	FLAG("accept-drift", 'A', accept_difference),
	FLAG("from-board", 'B', from_board),
	FLAG("prove", 'R', prove),
	FLAG("global", 'g', global),
	FLAG("yes", 'y', remove.yes),
	FLAG("keep-config", 'K', remove.keep),
	FLAG("delete-config", 'X', remove.drop),
	FLAG("quiet", 'q', quiet),
	TEXT("klipper-dir", 'D', klipper_dir),
	TEXT("from", 'F', from),
	TEXT("key", 'k', request.given.key),
	TEXT("name", 'n', request.given.name),
	TEXT("mcu", 'm', request.given.mcu),
	TEXT("pattern", 'p', request.given.pattern),
	TEXT("flash-method", 'f', request.given.flash_method),
#undef FLAG
#undef TEXT
	{ .option = { "port", required_argument, NULL, 'P' } },
	{ .option = { "baud", required_argument, NULL, 'b' } },
	{ .option = { "timeout", required_argument, NULL, 'T' } },
	{ .option = { "wait", required_argument, NULL, 'w' } },
	{ .option = { "json", no_argument, NULL, 'J' } },
	{ .option = { "table", no_argument, NULL, 't' } },
	{ .option = { "help", no_argument, NULL, 'h' } },
	{ .option = { "version", no_argument, NULL, 'V' } },
};

static const char letters[] = "qhV"; /* of the options */

static struct option options[KF_ARRAY_SIZE(all_options) + 1]; /* for getopt_long(3) */

static const char help[] =
	"usage: kf-scan | kf-config [OPTION]... | kf-build\n"
	"       kf-scan | kf-config add [OPTION]...\n"
	"       kf-config list | show KEY | remove KEY [OPTION]...\n"
	"       kf-config set KEY|--global MEMBER=VALUE...\n"
	"       kf-config import PATH | export [FILE]\n\n"
	"Give each registered board its saved configuration, or change the registry of "
	"boards.\n\n"
	"      --menuconfig           open menuconfig, also if a configuration is saved\n"
	"      --saved                not then, even if skip_menuconfig is false\n"
	"      --connected            skip boards that are not plugged in\n"
	"      --from=FILE            save this .config for the board, without menuconfig\n"
	"      --from-board           save the configuration that its firmware carries\n"
	"      --prove                find, and save, the one that made what the board runs\n"
	"      --accept-difference    accept and save changes that the source tree makes\n"
	"      --klipper-dir=DIR      source tree, instead of the registered ones\n"
	"      --timeout=SECONDS      time for make olddefconfig (60)\n"
	"      --wait=SECONDS         wait for another kf-config of the board (60; 0: do not)\n\n"
	"add: with key, name and MCU it asks nothing.\n"
	"      --key=KEY              the board's short name for commands\n"
	"      --name=NAME            its name for people\n"
	"      --mcu=MCU              its micro-controller, such as stm32h723\n"
	"      --pattern=PATTERN      its by-id names, such as "
	"usb-Klipper_rp2040_E66*\n"
	"      --port=PORT            its USB port, such as 1-1.2; can0:UUID; /dev/ttyAMA0\n"
	"      --baud=N               of its firmware on a UART (250000)\n"
	"      --flash-method=METHOD  katapult, make_flash or flashtool\n\n"
	"set: name, mcu, serial_pattern, flash_method, flashable, klipper_dir, usb_port,\n"
	"     canbus_uuid, canbus_interface, serial, baud, katapult_baud.\n"
	"      --global               settings of all boards: klipper_dir, katapult_dir,\n"
	"                             default_flash_method, allow_flash_fallback, "
	"skip_menuconfig\n\n"
	"remove: asks, unless these are given.\n"
	"      --yes                  remove it\n"
	"      --keep-config          keep its saved configuration\n"
	"      --delete-config        delete its saved configuration too\n\n"
	"      --json                 JSON on standard output, also on a terminal\n"
	"      --table                text for people, also in a pipe\n"
	"  -q, --quiet                only errors on standard error\n"
	"  -h, --help                 this text\n"
	"  -V, --version              the version\n";

/* One line of JSON, or for people what show() writes. */
static int print(const json_t *object, void (*show)(FILE *out, const json_t *object),
		 struct kf_error *err)
{
	if (!opt.table)
		return kf_record_write(stdout, object, err);
	show(stdout, object);
	return 0;
}

/* A device, or without a key what holds for all. */
static int show(char **args, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *object = NULL;
	int r = kf_listing_load(args[0], &object, err);

	return r < 0 ? r : print(object, kf_listing_members, err);
}

static int list(char **args, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	struct kf_device device;
	size_t count = 0;
	int r = kf_registry_load(&registry, err);

	(void)args;
	for (void *at = NULL; r == 0 && kf_registry_next(&registry, &at, &device); count++) {
		_cleanup_(kf_json_decrefp) json_t *json = kf_listing_device(&registry, device.key);

		r = print(json, kf_listing_row, err);
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
	kf_error_hint(err, "for example: kf set %s%s; man kf-config lists what can be set",
		      key ? key : "--global ",
		      key ? " name=\"Octopus Pro\"" : "klipper_dir=~/klipper");
	return kf_code_errno(KF_USAGE);
}

static int set(char **args, struct kf_error *err)
{
	char *key[] = { opt.global ? NULL : *args++, NULL };
	int r = *args ? kf_device_set(key[0], args, err) : nothing_to_set(key[0], err);

	if (r < 0)
		return r;
	warn_dirs(key[0], args);
	return show(key, err);
}

static int remove_device(char **args, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *gone = NULL;
	int r = kf_remove_board(&opt.remove, args[0], &gone, err);

	if (r <= 0)
		return r;
	if (json_is_false(json_object_get(gone, "config_deleted")))
		kf_log_phase(phase, args[0], "removed; its saved configuration stays");
	else
		kf_log_phase(phase, args[0], "removed");
	return opt.table ? 0 : kf_record_write(stdout, gone, err);
}

static int import(char **args, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *report = NULL;
	int r = kf_import(args[0], &report, err);

	return r < 0 ? r : print(report, kf_listing_members, err);
}

static int export(char **args, struct kf_error *err)
{
	return kf_export(args[0] ? args[0] : "-", stdout, err);
}

static int add(char **args, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *records = json_array(), *record = NULL;
	struct kf_add *request = &opt.request;
	_cleanup_(kf_closep) int tty = -1;
	struct kf_new_device e;
	struct kf_board board;
	int r = 0;

	(void)args;
	request->given.baud = (uint32_t)opt.baud;
	if (!isatty(STDIN_FILENO))
		r = kf_record_read_all(stdin, kf_log_error, records, err);
	else if (!request->given.pattern[0] && !opt.port)
		r = kf_fail(err, KF_USAGE,
			    "pipe boards in: kf-scan | kf-config add; on a terminal: kf add");
	if (r < 0)
		return r;
	if (!kf_add_complete(request) && kf_terminal_open(&tty, NULL) == 0)
		request->tty = tty;
	r = kf_add_board(request, records, &e, &board, err);
	/* Left with q, as a "no" elsewhere: there is nothing wrong. */
	if (r < 0 && err->code == KF_INTERRUPTED && !kf_stopped()) {
		kf_log_phase(phase, NULL, "%s", err->message);
		return 0;
	}
	if (r < 0)
		return r;
	kf_log_phase(phase, e.key, "%s (%s) is %s", e.name, e.mcu, kf_add_result(&board));
	if (e.by_port)
		kf_log_warn(e.key, "%s: leave it on USB port %s, which identifies it",
			    kf_board_has_serial(&board) ? "another board shows its serial number"
			    : board.usb.serial[0]	? "it has no serial number of its own"
							: "it shows no serial number",
			    e.usb_port);
	record = kf_record_new(&board);
	return opt.table ? 0 : kf_record_write(stdout, record, err);
}

static void announce_menuconfig(const struct kf_board *board)
{
	kf_log_phase(phase, board->key, "menuconfig for %s (%s): save before you leave it",
		     board->name, board->mcu);
}

static struct kf_printers printers;

/* What its Klippy was told counts; a port that Klippy has is not opened. */
static int tell(const struct kf_board *board, struct kf_board_told *ret, struct kf_error *err)
{
	int r = kf_printers_tell(&printers, board, ret, err);
	struct kf_board_told known;
	struct kf_board now;

	if (r == 1) {
		kf_log_phase(phase, board->key, "%s",
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
	kf_configure_tell(&done, board->key, show_step);
	json_object_set_new(record, "config", kf_configure_member(&done));
	kf_kconfig_free(&done.kconfig);
}

static bool wanted(const struct kf_configure *c, const json_t *record, struct kf_board *board)
{
	return kf_record_board(record, board, NULL) == 0 && kf_configure_wants(c, board) &&
	       !kf_record_failed(record) && !kf_record_skipped(record);
}

/* Boards that are not ours to configure pass as they came. Returns the exit status. */
static int configure_all(struct kf_configure *c, json_t *records, struct kf_error *err)
{
	struct kf_board board;
	json_t *record;
	size_t i;

	json_array_foreach(records, i, record)
	{
		if (wanted(c, record, &board))
			configure(c, record, &board);
		if (kf_stop_signal())
			return kf_fail_sys(err, EINTR, "stopped");
	}
	return kf_record_status(records);
}

static size_t count_wanted(const struct kf_configure *c, const json_t *records)
{
	struct kf_board board;
	const json_t *record;
	size_t i, count = 0;

	json_array_foreach(records, i, record)
	{
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

	json_array_foreach(records, i, record)
	{
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

/* Where a board is a printer's, Klippy may tell its configuration. */
static int look_for_printers(const json_t *records, struct kf_registry *registry,
			     struct kf_error *err)
{
	struct kf_answers answers;
	struct kf_board board;
	const json_t *record;
	bool wanted = false;
	size_t i;
	int r = kf_printers_describe_records(records, registry, &printers, err);

	json_array_foreach(records, i, record)
	{
		if (kf_record_board(record, &board, NULL) == 0 && board.printer.mcu[0] &&
		    (opt.from_board || opt.prove || kf_answers_load(board.key, &answers) ||
		     kf_saved_config_days(board.key) == -ENOENT))
			wanted = true;
	}
	return r == 0 && wanted && printers.count == 0 ? kf_printers_find(&printers, err) : r;
}

static int find_trees(const struct kf_configure *c, const json_t *records,
		      struct kf_registry *registry, struct kf_error *err)
{
	struct kf_board board;
	const json_t *record;
	size_t i;

	json_array_foreach(records, i, record)
	{
		if (wanted(c, record, &board) && kf_tree_is_missing(registry, board.key))
			return kf_tree_ask(c->tty, registry, err);
	}
	return 0;
}

/*
 * All is read before the first board and written after the last: menuconfig has the terminal
 * to itself, and a run that is stopped hands nothing on to be built.
 */
static int filter(char **args, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	_cleanup_(kf_json_decrefp) json_t *records = json_array();
	_cleanup_(kf_closep) int tty = -1;
	struct kf_configure c = { .registry = &registry,
				  .klipper_dir = opt.klipper_dir[0] ? opt.klipper_dir : NULL,
				  .from = opt.from[0] ? opt.from : NULL,
				  .from_board = opt.from_board,
				  .prove = opt.prove,
				  .step = show_step,
				  .tell = tell,
				  .opens = announce_menuconfig,
				  .menuconfig = opt.menuconfig,
				  .saved = opt.saved,
				  .connected = opt.connected,
				  .asks = !opt.table,
				  .accept_difference = opt.accept_difference,
				  .timeout_ms = opt.timeout_ms,
				  .wait_ms = opt.wait_ms };
	struct kf_error no_terminal = { 0 };
	int status, r;

	(void)args;
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
		r = look_for_printers(records, &registry, err);
	if (r == 0 && c.tty >= 0 && !c.klipper_dir)
		r = find_trees(&c, records, &registry, err);
	status = r < 0 ? r : configure_all(&c, records, err);
	r = status < 0 ? status : 0;
	for (size_t i = 0; r == 0 && i < json_array_size(records); i++)
		if (!opt.table || !kf_log_told() || !kf_record_failed(json_array_get(records, i)))
			r = print(json_array_get(records, i), kf_listing_record, err);
	kf_printers_free(&printers);
	return r < 0 ? r : status;
}

static const struct command {
	const char *name;
	int (*run)(char **args, struct kf_error *err); /* an exit status or an error */
	int min, max;				       /* arguments */
	const char *options;			       /* besides those that all take */
	const char *wants;			       /* said where there are too few */
	const char *help;			       /* what stands above its options */
} commands[] = {
	{ NULL, filter, 0, 0, "MSCADFBRTw", NULL, NULL },
	{ "add", add, 0, 0, "knmpPbf", NULL,
	  "usage: kf add [OPTION]...\n\n"
	  "Register the board that is plugged in. With key, name and MCU it asks nothing.\n\n" },
	{ "list", list, 0, 0, "", NULL,
	  "usage: kf-config list [OPTION]...\n\n"
	  "The registered boards and their saved configurations. Nothing is looked for.\n\n" },
	{ "show", show, 0, 1, "", NULL,
	  "usage: kf show [OPTION]... [KEY]\n\n"
	  "What is registered of a board; without KEY, the settings of all boards.\n\n" },
	{ "set", set, 1, 64, "g", "give KEY or --global, and MEMBER=VALUE",
	  "usage: kf set [OPTION]... KEY MEMBER=VALUE...\n"
	  "       kf set --global MEMBER=VALUE...\n\n"
	  "Change what is registered: of a board, its name, mcu, serial_pattern,\n"
	  "flash_method, flashable, klipper_dir, usb_port, canbus_uuid, canbus_interface,\n"
	  "serial, baud or katapult_baud.\n\n" },
	{ "remove", remove_device, 1, 1, "yKX", "give the key of the board",
	  "usage: kf remove [OPTION]... KEY\n\n"
	  "Register a board no more. It asks, also for the saved configuration, unless\n"
	  "options say what to do. KEY has to be whole.\n\n" },
	{ "import", import, 1, 1, "", "give the file or folder",
	  "usage: kf import [OPTION]... PATH\n\n"
	  "Take over a devices.json, and the configurations beside it.\n\n" },
	{ "export", export, 0, 1, "", NULL,
	  "usage: kf export [OPTION]... [FILE]\n\n"
	  "Write the registry, as a devices.json.\n\n" },
};

/* Of the three kinds of ports. */
static int set_port(const char *text, struct kf_error *err)
{
	struct kf_new_device *given = &opt.request.given;
	struct kf_port port;
	int r = kf_port_read(text, &port, err);

	if (r < 0)
		return r;
	kf_text_format(given->usb_port, sizeof(given->usb_port), "%s", port.usb_port);
	kf_text_format(given->uuid, sizeof(given->uuid), "%s", port.uuid);
	kf_text_format(given->interface, sizeof(given->interface), "%s", port.interface);
	kf_text_format(given->serial, sizeof(given->serial), "%s", port.path);
	return 0;
}

/* KF_USAGE if the option's argument is not one. */
static int set_option(int c, struct kf_error *err)
{
	const char *name = kf_usage_option(options, c);

	for (size_t i = 0; i < KF_ARRAY_SIZE(all_options); i++) {
		if (all_options[i].option.val != c)
			continue;
		if (all_options[i].text)
			return kf_value_copy(name, optarg, all_options[i].text, all_options[i].size,
					     err);
		if (!all_options[i].flag)
			break;
		*all_options[i].flag = true;
		return 0;
	}
	if (c == 'T')
		return kf_value_read(KF_VALUE_TIMEOUT, name, optarg, &opt.timeout_ms, err);
	if (c == 'w')
		return kf_value_read(KF_VALUE_DELAY, name, optarg, &opt.wait_ms, err);
	if (c == 'b')
		return kf_value_read(KF_VALUE_BAUD, name, optarg, &opt.baud, err);
	if (c == 'P') {
		opt.port = optarg;
		return set_port(optarg, err);
	}
	opt.table = c == 't';
	return 0;
}

static const struct command *find_command(const char *word)
{
	for (size_t i = 1; word && i < KF_ARRAY_SIZE(commands); i++)
		if (strcmp(word, commands[i].name) == 0)
			return &commands[i];
	return commands;
}

/* Before getopt_long is through, options may stand before the command. */
static const char *first_word(char *const *words)
{
	while (*words && **words == '-')
		words++;
	return *words;
}

static bool takes(const char *name, const void *arg)
{
	const struct command *command = arg;

	for (const struct option *o = options; o->name; o++)
		if (strcmp(o->name, name) == 0)
			return strchr(command->options, o->val) || strchr("JtqhV", o->val);
	return false;
}

static int show_help(const struct command *command)
{
	if (!command->help)
		return kf_usage_print(help);
	return kf_usage_print(command->help) ? kf_code_status(KF_IO)
					     : kf_usage_print_options(help, takes, command);
}

/* The command of the line and its arguments: -1 to go on, or the status to leave with. */
static int parse(int argc, char **argv, const struct command **ret, char ***ret_args)
{
	const struct command *command = commands;
	char used[KF_ARRAY_SIZE(options)] = "", *other;
	size_t count = 0;
	struct kf_error err;
	int c;

	for (size_t i = 0; i < KF_ARRAY_SIZE(all_options); i++)
		options[i] = all_options[i].option;
	while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		if (c == 'h')
			return show_help(find_command(first_word(argv + 1)));
		if (c == 'V')
			return kf_usage_print("kf-config " KF_VERSION "\n");
		if (c == '?')
			return kf_usage_see(options, letters, argv);
		if (set_option(c, &err) < 0)
			return kf_usage_error(&err);
		if (!strchr("Jtq", c) && !strchr(used, c))
			used[count++] = (char)c;
	}
	if (opt.menuconfig && opt.from[0])
		return kf_usage_mistake("--menuconfig and --from exclude each other");
	if (opt.from_board && (opt.menuconfig || opt.from[0]))
		return kf_usage_mistake("--from-board goes with neither --from nor --menuconfig");
	if (opt.prove && (opt.menuconfig || opt.from[0] || opt.from_board))
		return kf_usage_mistake("--prove goes with neither --from, --from-board nor "
					"--menuconfig");
	argv += optind;
	command = find_command(*argv);
	*ret = command;
	*ret_args = argv + (command->name ? 1 : 0);
	other = used + strspn(used, command->options);
	if (*other)
		return kf_usage_mistake("%s takes no --%s",
					command->name ? command->name : "the filter",
					kf_usage_option(options, *other));
	return kf_usage_arguments(command->name, *ret_args, command->min, command->max,
				  command->wants);
}

int main(int argc, char *argv[])
{
	const struct command *command = commands;
	struct kf_error err = { 0 };
	char **args = NULL;
	int r;

	opt.table = isatty(STDOUT_FILENO);
	kf_log_init("kf-config", false);
	kf_usage_called(argv);
	r = parse(argc, argv, &command, &args);
	if (r >= 0)
		return r;
	kf_log_init("kf-config", opt.quiet);
	kf_stop_install();
	r = command->run(args, &err);
	if (r >= 0 && fflush(stdout) == EOF)
		r = kf_fail_sys(&err, errno, "cannot write to standard output");
	kf_usage_unread(r);
	return kf_usage_end(r, &err);
}
