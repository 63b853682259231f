/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kf-scan: which boards are there, and which of the registered ones they are. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "board/identity.h"
#include "board/last-flash.h"
#include "board/port.h"
#include "board/record.h"
#include "board/table.h"
#include "core/clock.h"
#include "core/text.h"
#include "flash/ask-bus.h"
#include "printer/boards.h"
#include "printer/described.h"
#include "registry/prefix.h"
#include "terminal/log.h"
#include "terminal/options.h"
#include "terminal/screen.h"
#include "terminal/usage.h"
#include "usb/inventory.h"
#include "usb/occupant.h"

enum { WAIT_MS = 30000 };

struct args {
	struct kf_registry registry;
	struct kf_inventory inventory;
	struct kf_printers printers;
	struct kf_boards now;  /* as it was before any wait */
	char key[KF_KEY_SIZE]; /* what inventory.key points to, if it was not typed to its end */
	int64_t wait_ms;       /* or -1: not at all */
	bool all, follow, keys, ports;
	struct kf_common common;
	bool can;	       /* ask the nodes on CAN ... */
	const char *interface; /* ... of this interface; NULL: of all that are configured */
	struct kf_tally tally;
};

static const char help[] =
	"usage: kf-scan [OPTION]...\n"
	"\n"
	"List the boards that are plugged in or that a printer names, one record a line.\n"
	"\n"
	"      --all          also the registered boards that are not connected\n"
	"  -d, --device=KEY   only the board registered as KEY\n"
	"      --wait[=S]     wait up to S seconds (30) for a board to appear\n"
	"      --follow       then report each board that is plugged in or unplugged\n"
	"      --can[=IF]     ask the nodes on the CAN bus IF, or on all configured ones\n"
	"      --keys         only the keys of all boards, one a line, without a question\n"
	"      --ports        only the USB port, device and by-id path of each board\n"
	"      --json         write records, also to a terminal\n"
	"      --table        write a table, also to a pipe\n"
	"  -q, --quiet        no progress on standard error\n"
	"  -h, --help         show this help\n"
	"  -V, --version      show the version\n";

static void free_scan(struct args *scan)
{
	kf_inventory_free(&scan->inventory);
	kf_printers_free(&scan->printers);
	kf_boards_free(&scan->now);
	kf_registry_close(&scan->registry);
}

static int write_record(const struct kf_board *board, const struct kf_error *problem,
			struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *record = kf_record_new(board);

	if (!record)
		return kf_fail_sys(err, ENOMEM, "cannot list the boards");
	if (problem->code != KF_OK)
		kf_record_set_error(record, kf_log_tool(), problem);
	return kf_record_write(stdout, record, err);
}

static int emit(struct args *scan, const struct kf_board *boards, const struct kf_error *problems,
		size_t count, struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; i < count; i++)
		kf_tally_add(&scan->tally, &boards[i], problems[i].code);
	if (scan->common.table) {
		kf_table_write(stdout, boards, problems, count);
		return kf_usage_flush(err);
	}
	for (size_t i = 0; r == 0 && i < count; i++)
		r = write_record(&boards[i], &problems[i], err);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (problems[i].code != KF_OK)
			kf_log_error(kf_board_label(&boards[i]), &problems[i]);
	return r;
}

static int wait_for(struct args *scan, struct kf_monitor *monitor, struct kf_error *err)
{
	const char *key = scan->inventory.key;
	struct kf_board board;
	int r;

	kf_log_phase("Discovery", key, "waiting up to %g s for %s board",
		     (double)scan->wait_ms / 1000, key ? "this" : "a");
	r = kf_monitor_wait(monitor, kf_inventory_wants, &scan->inventory,
			    kf_now_ms() + scan->wait_ms, &board, err);
	if (r == -ETIMEDOUT) {
		r = kf_fail(err, KF_TIMEOUT, "%s was not connected within %g s",
			    key ? key : "a board", (double)scan->wait_ms / 1000);
		kf_error_hint(err, "check that it has power and a USB cable that carries data "
				   "(lsusb lists it)");
		kf_last_flash_explain(key ? key : "", err);
	}
	return r;
}

/*
 * In DFU, BOOTSEL and SAM-BA a board is known by its USB port alone. Until kf has flashed this one,
 * its port is known only if the owner has registered it.
 */
static void hint_rom(const struct kf_registry *registry, const struct kf_device *device,
		     struct kf_error *err)
{
	_cleanup_(kf_boards_free) struct kf_boards boards = { 0 };
	const char *port = NULL;
	size_t count = 0;

	if (!device->mcu || kf_usb_scan(&boards, NULL) < 0)
		return;
	for (size_t i = 0; i < boards.count; i++) {
		struct kf_board *board = &boards.list[i];

		if (!kf_board_in_loader(board) || !kf_registry_mcu_fits(device->mcu, board) ||
		    kf_registry_identify(registry, board, NULL) < 0 || board->key[0])
			continue;
		port = board->usb.port;
		count++;
	}
	if (count > 0)
		kf_error_hint(
			err,
			"plug it in; if you have put it into its bootloader, and it is on USB port "
			"%s: kf set %s usb_port=%s, then run the same command again",
			count == 1 ? port : "PORT (kf list)", device->key,
			count == 1 ? port : "PORT");
}

/* One registered board is not there: what is in its place, if anything is? */
static int one_missing(const struct kf_registry *registry, const char *key, struct kf_error *err)
{
	char told[KF_REASON_SIZE], hint[KF_REASON_SIZE];
	struct kf_device device;
	int r = kf_registry_device(registry, key, &device, err);

	if (r < 0)
		return r;
	if (!kf_occupant_instead(registry, &device, told, hint)) {
		r = kf_fail(err, KF_NOT_CONNECTED, "%s is not connected", key);
		if (!kf_last_flash_explain(key, err))
			hint_rom(registry, &device, err);
		return r;
	}
	r = kf_fail(err, KF_NOT_CONNECTED, "%s is not connected: %s", key, told);
	if (kf_last_flash_explain(key, err) && hint[0])
		kf_error_hint(err, "%s; else %s", hint, err->hint);
	else if (hint[0])
		kf_error_hint(err, "%s", hint);
	return r;
}

static int nothing_there(const struct kf_inventory *inventory, struct kf_error *err)
{
	if (inventory->key)
		return one_missing(inventory->registry, inventory->key, err);
	kf_fail(err, KF_NOTHING_CONNECTED, "no USB board found");
	return kf_error_hint(
		err, "check that the board has power and a USB cable that carries data, and "
		     "that lsusb lists it, as Klipper (1d50:614e), Katapult (1d50:6177) or a "
		     "bootloader (0483:df11, 2e8a:0003)");
}

/* Says which request goes out on which bus: kf-scan sends nothing unless the user says so. */
static void show_asking(const char *interface)
{
	kf_log_phase("Discovery", NULL,
		     "asking all nodes on %s that have no id (00 to 3f0); they stay as they are",
		     interface);
}

static int ask_bus(struct args *scan, const char *interface, struct kf_error *err)
{
	return kf_bus_ask(&scan->inventory, &scan->printers, interface, show_asking, err);
}

static int ask_nodes(struct args *scan, struct kf_error *err)
{
	const struct kf_boards *boards = &scan->inventory.boards;
	size_t count = boards->count;
	int r = 0, asked = 0;

	if (!scan->can)
		return 0;
	if (scan->interface)
		return ask_bus(scan, scan->interface, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		char interface[sizeof(boards->list[i].link.interface)];
		bool again = !boards->list[i].link.interface[0];

		for (size_t k = 0; k < i; k++)
			again |= strcmp(boards->list[k].link.interface,
					boards->list[i].link.interface) == 0;
		if (again)
			continue;
		KF_COPY(interface, boards->list[i].link.interface);
		r = ask_bus(scan, interface, err);
		asked++;
	}
	return r < 0 || asked > 0 ? r : ask_bus(scan, KF_INTERFACE_DEFAULT, err);
}

static int list(struct args *scan, struct kf_error *err)
{
	struct kf_inventory *inventory = &scan->inventory;
	size_t registered = json_object_size(json_object_get(scan->registry.root, "devices"));
	size_t found, others = 0;
	char summary[KF_NAME_SIZE];
	struct kf_screen screen;
	int r = kf_inventory_fill(inventory, scan->wait_ms >= 0 ? NULL : &scan->now, err);

	if (r == 0)
		r = kf_printers_join(&scan->printers, inventory, err);
	if (r == 0)
		r = ask_nodes(scan, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < inventory->boards.count; i++)
		others += !inventory->boards.list[i].usb.port[0] &&
			  inventory->boards.list[i].printer.mcu[0];
	if (inventory->boards.count == 0 && !scan->follow)
		return nothing_there(inventory, err);
	found = inventory->found;
	kf_text_format(summary, sizeof(summary), "%zu registered, %zu USB device%s found",
		       registered, found, found == 1 ? "" : "s");
	if (others > 0)
		kf_text_format(summary + strlen(summary), sizeof(summary) - strlen(summary),
			       ", %zu more by a printer's configuration", others);
	if (scan->common.table) {
		screen = kf_screen_of(stdout);
		kf_screen_wrap(&screen, summary, 0, 2);
		putchar('\n');
	} else
		kf_log_phase("Discovery", NULL, "%s", summary);
	return emit(scan, inventory->boards.list, inventory->errors, inventory->boards.count, err);
}

/* For completion, where each keystroke waits for it: no Klippy is asked. */
static int write_keys(struct kf_registry *registry, struct kf_error *err)
{
	_cleanup_(kf_printers_free) struct kf_printers printers = { 0 };
	_cleanup_(kf_boards_free) struct kf_boards now = { 0 };
	struct kf_device device;

	if (kf_usb_scan(&now, err) == 0 && kf_printers_find_configured(&printers, err) == 0 &&
	    kf_printers_describe(&printers, &now, registry, err) < 0)
		*err = (struct kf_error){ 0 }; /* the registered ones are known all the same */
	for (void *at = NULL; kf_registry_next(registry, &at, &device);)
		puts(device.key);
	return kf_usage_flush(err);
}

/* The same for ports: neither the registry nor who holds a port is asked. */
static int write_ports(struct kf_error *err)
{
	_cleanup_(kf_boards_free) struct kf_boards boards = { 0 };
	int r = kf_usb_scan(&boards, err);

	for (size_t i = 0; r == 0 && i < boards.count; i++)
		printf("%s\t%s\t%s\n", boards.list[i].usb.port, boards.list[i].tty,
		       boards.list[i].by_id);
	return r < 0 ? r : kf_usage_flush(err);
}

/* Report the printers that do not tell their boards: else these would be missed in silence. */
static void tell_problems(const struct kf_printers *printers)
{
	struct kf_error problem;

	for (size_t i = 0; i < printers->count; i++)
		if (kf_printer_problem(&printers->list[i], &problem))
			kf_log_problem(printers->list[i].name, &problem);
}

/* Scans anew: connected boards, and the printers' names for them. */
static int look(struct args *scan, struct kf_error *err)
{
	bool again = scan->registry.described;
	int r;

	kf_boards_free(&scan->now);
	kf_printers_free(&scan->printers);
	json_object_clear(scan->registry.described);
	json_object_clear(scan->registry.trees);
	r = kf_usb_scan(&scan->now, err);

	if (r == 0)
		r = kf_printers_find(&scan->printers, err);
	if (r == 0 && !scan->common.quiet && !again)
		tell_problems(&scan->printers);
	return r < 0 ? r : kf_printers_describe(&scan->printers, &scan->now, &scan->registry, err);
}

/* One event, if it is news; *looked: the printers were looked for since the last wait. */
static int report(struct args *scan, const struct kf_event *event, bool *looked,
		  struct kf_error *err)
{
	struct kf_board board;
	struct kf_error problem;
	int r = *looked ? 0 : look(scan, err);

	*looked = true;
	if (r == 0)
		r = kf_inventory_apply(&scan->inventory, event, &board, &problem, err);
	if (r <= 0)
		return r;
	kf_printers_name(&scan->printers, &board);
	/* Klippy's answer is older than the board's arrival. */
	board.version[0] = '\0';
	return emit(scan, &board, &problem, 1, err);
}

/* Report events until a signal comes, or until nobody reads any more (-EPIPE). */
static int follow(struct args *scan, struct kf_monitor *monitor, struct kf_error *err)
{
	struct pollfd fds[] = { { .fd = kf_monitor_fd(monitor), .events = POLLIN },
				{ .fd = STDOUT_FILENO } };
	struct kf_event event;
	int r;

	for (;;) {
		bool looked = false;

		while ((r = kf_monitor_next(monitor, &event, err)) > 0) {
			r = report(scan, &event, &looked, err);
			if (r < 0)
				return r;
		}
		if (r < 0)
			return r;
		r = kf_wait(fds, KF_ARRAY_SIZE(fds), KF_FOREVER);
		if (r < 0)
			return kf_fail_sys(err, -r, "stopped following the boards");
		if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
			return kf_fail_sys(err, EPIPE, "standard output was closed");
	}
}

/* A key that was not typed to its end becomes the whole one. */
static int find_key(struct args *scan, struct kf_error *err)
{
	const char *typed = scan->inventory.key;
	struct kf_device device;
	bool cut;
	int r = kf_prefix_find(&scan->registry, typed, &scan->inventory.key, &cut, err);

	if (r == 0 && cut) {
		kf_log_phase("Discovery", NULL, "\"%s\" is %s", typed, scan->inventory.key);
		KF_COPY(scan->key, scan->inventory.key);
		scan->inventory.key = scan->key;
	}
	return r < 0 ? r : kf_registry_device(&scan->registry, scan->inventory.key, &device, err);
}

static int run(struct args *scan, struct kf_error *err)
{
	_cleanup_(kf_monitor_free) struct kf_monitor *monitor = NULL;
	const char *key = scan->inventory.key;
	int r;

	if (scan->ports)
		return write_ports(err);
	r = kf_registry_load(&scan->registry, err);
	if (r == 0 && scan->keys)
		return write_keys(&scan->registry, err);
	if (r == 0)
		r = look(scan, err);
	if (r == 0 && key)
		r = find_key(scan, err);
	if (r == 0 && (scan->wait_ms >= 0 || scan->follow)) {
		kf_stop_install();
		r = kf_monitor_new(&monitor, err);
	}
	if (r == 0 && scan->wait_ms >= 0)
		r = wait_for(scan, monitor, err);
	if (r == 0)
		r = list(scan, err);
	if (r == 0 && scan->follow)
		r = follow(scan, monitor, err);
	return scan->follow && r == -EPIPE ? 0 : r;
}

static int read_device(void *args, const char *text, struct kf_error *err)
{
	struct args *scan = args;

	if (scan->inventory.key)
		return kf_fail(err, KF_USAGE, "--device=%s: one board at a time", text);
	scan->inventory.key = text;
	return 0;
}

static int read_wait(void *args, const char *text, struct kf_error *err)
{
	struct args *scan = args;

	scan->wait_ms = WAIT_MS;
	return text ? kf_value_read(KF_VALUE_DELAY, "wait", text, &scan->wait_ms, err) : 0;
}

static int read_can(void *args, const char *text, struct kf_error *err)
{
	struct args *scan = args;

	scan->can = true;
	scan->interface = text;
	if (text && !kf_interface_valid(text))
		return kf_fail(err, KF_USAGE, "--can=%s: no network interface has such a name",
			       text);
	return 0;
}

static const struct kf_option list_of_options[] = {
	KF_OPTION_FLAG("all", 0, all),
	KF_OPTION_READ("device", 'd', required_argument, read_device),
	KF_OPTION_READ("wait", 0, optional_argument, read_wait),
	KF_OPTION_FLAG("follow", 0, follow),
	KF_OPTION_FLAG("keys", 0, keys),
	KF_OPTION_READ("can", 0, optional_argument, read_can),
	KF_OPTION_FLAG("ports", 0, ports),
};

static const struct kf_options options = { .tool = "kf-scan",
					   .help = help,
					   .list = list_of_options,
					   .count = KF_ARRAY_SIZE(list_of_options) };

/* -1: go on; else the status to leave with. */
static int parse(int argc, char *argv[], struct args *scan)
{
	int status = kf_options_read(&options, argc, argv, scan, &scan->common);

	if (status < 0 && scan->keys && scan->ports)
		status = kf_usage_mistake("--keys and --ports exclude each other");
	if (status < 0 && optind < argc)
		status = kf_usage_mistake("%s: takes no arguments, only options", argv[optind]);
	return status;
}

int main(int argc, char *argv[])
{
	_cleanup_(free_scan) struct args scan = { .wait_ms = -1 };
	struct kf_error err = { 0 };
	int status, r;

	scan.inventory.registry = &scan.registry;
	status = parse(argc, argv, &scan);
	if (status >= 0)
		return status;
	scan.inventory.absent = scan.all;
	r = run(&scan, &err);
	kf_usage_unread(r);
	return kf_usage_end(r < 0 ? r : kf_tally_status(&scan.tally), &err);
}
