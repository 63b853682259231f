/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kf-build: records with a checked configuration in, the same with firmware out. All are
 * read before the first make and written after the last, so that a run which is
 * stopped, or whose input is broken, hands nothing on to be flashed.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board/record.h"
#include "build/builds.h"
#include "build/sd-board.h"
#include "core/clock.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/text.h"
#include "names.h"
#include "printer/described.h"
#include "registry/registry.h"
#include "terminal/live.h"
#include "terminal/log.h"
#include "terminal/options.h"
#include "terminal/usage.h"

static const char phase[] = "Build";

enum { TIMEOUT_S = 300 };

struct args {
	int64_t jobs, timeout_ms, wait_ms;
	const char *klipper_dir;
	bool clean;
	struct kf_common common;
	bool told; /* the messages on the terminal have said all that the table would */
};

static const char help[] =
	"usage: kf-scan | kf-config | kf-build [options]\n\n"
	"Build the firmware of each board that has a checked configuration in its record, "
	"outside\n"
	"of the source tree, and keep it.\n\n"
	"  -j, --jobs=N             number of compilers that run at a time, for all boards\n"
	"      --timeout=SECONDS    time that one board's build may take (300)\n"
	"      --klipper-dir=DIR    source tree, instead of the registered ones\n"
	"      --wait=SECONDS       wait for another build if two cannot run (60; 0: do not)\n"
	"      --clean              build from nothing, also if nothing changed\n"
	"      --json               records on standard output, also on a terminal\n"
	"      --table              a table on standard output, also in a pipe\n"
	"  -q, --quiet              only errors on standard error\n"
	"  -h, --help               this text\n"
	"  -V, --version            the version\n";

static const struct kf_option list[] = {
	KF_OPTION_VALUE("jobs", 'j', KF_VALUE_COUNT, jobs),
	KF_OPTION_VALUE("timeout", 0, KF_VALUE_TIMEOUT, timeout_ms),
	KF_OPTION_VALUE("klipper-dir", 0, KF_VALUE_TEXT, klipper_dir),
	KF_OPTION_VALUE("wait", 0, KF_VALUE_DELAY, wait_ms),
	KF_OPTION_FLAG("clean", 0, clean),
};

static const struct kf_options options = {
	.tool = "kf-build", .help = help, .list = list, .count = KF_ARRAY_SIZE(list)
};

/* All options: -1 to go on, or the status to leave with. */
static int parse(int argc, char **argv, struct args *args)
{
	int status = kf_options_read(&options, argc, argv, args, &args->common);

	if (status >= 0 || optind == argc)
		return status;
	return kf_usage_mistake("boards come as records on standard input, not as arguments");
}

/* Other records pass through as they came. */
static bool wanted(const json_t *record, const struct kf_board *board)
{
	return !kf_record_failed(record) && !kf_record_skipped(record) && board->key[0] &&
	       !board->excluded && json_is_object(json_object_get(record, "config"));
}

/* A board to be built, and the record that its result belongs into. */
struct batch {
	struct kf_built *list;
	json_t **records;
	size_t count;
	const struct args *args;
	const struct kf_registry *registry;
};

static void free_batch(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		json_decref(batch->list[i].firmware);
	free(batch->list);
	free(batch->records);
}

static void fail_record(const struct batch *batch, json_t *record, const char *key,
			const struct kf_error *failure)
{
	struct kf_error err = *failure;

	kf_error_for(&err, key);
	kf_registry_hint_tree(batch->registry, key, batch->args->klipper_dir, &err);
	if (err.log[0] && !kf_stop_signal())
		kf_log_tail(err.log);
	kf_log_error(key, &err);
	kf_record_set_error(record, kf_log_tool(), &err);
}

/* Fill *ret, which borrows its strings from the record and the registry. */
static int describe(const struct args *args, const struct kf_registry *registry,
		    const json_t *record, struct kf_built *ret, struct kf_error *err)
{
	const json_t *config = json_object_get(record, "config");
	struct kf_device dev;
	int r;

	ret->key = json_string_value(json_object_get(json_object_get(record, "board"), "key"));
	ret->config = json_string_value(json_object_get(config, "path"));
	ret->config_sha256 = json_string_value(json_object_get(config, "sha256"));
	ret->dir = args->klipper_dir;
	if (!ret->config || !ret->config_sha256)
		return kf_fail(err, KF_BAD_RECORD, "config has no path or no sha256");
	if (ret->dir)
		return 0;
	r = kf_registry_device(registry, ret->key, &dev, err);
	if (r == 0)
		ret->dir = kf_registry_klipper_dir(registry, &dev);
	return r;
}

static int collect(json_t *records, const struct kf_registry *registry, struct batch *batch,
		   struct kf_error *err)
{
	struct kf_error failure = { 0 };
	struct kf_board board;
	json_t *record;
	size_t i;
	int r;

	json_array_foreach(records, i, record) {
		struct kf_built built = { 0 };

		r = kf_record_board(record, &board, err);
		if (r < 0)
			return r;
		if (!wanted(record, &board))
			continue;
		if (describe(batch->args, registry, record, &built, &failure) < 0) {
			fail_record(batch, record, board.key, &failure);
			continue;
		}
		batch->list[batch->count] = built;
		batch->records[batch->count++] = record;
	}
	return 0;
}

/* told: no other message about the firmware follows, so this one has its file. */
static void report(const struct kf_built *built, bool told)
{
	const json_t *firmware = built->firmware;

	kf_log_done(phase, built->key, KF_COLOUR_GOOD,
		    "%s, %" JSON_INTEGER_FORMAT " bytes in %.1f s%s%s%s",
		    kf_json_text(firmware, "version"),
		    json_integer_value(json_object_get(firmware, "bytes")),
		    json_number_value(json_object_get(firmware, "seconds")),
		    json_is_true(json_object_get(firmware, "reused")) ? ", nothing changed" : "",
		    told ? ": " : "", told ? kf_json_text(firmware, "path") : "");
}

/* Tell how the file is called on an SD card, if the board's SD board is known. */
static void tell_card(const struct kf_built *built, const struct kf_registry *registry)
{
	const char *path = kf_json_text(built->firmware, "path");
	struct kf_sd_board board;
	struct kf_device dev;
	char dir[PATH_MAX];

	if (!registry->root || kf_registry_device(registry, built->key, &dev, NULL) < 0 ||
	    !dev.sdcard_board || kf_path_expand(built->dir, dir, NULL) < 0 ||
	    kf_sd_board_find(dir, dev.sdcard_board, &board, NULL) < 0)
		return;
	if (board.script[0])
		kf_log_phase(phase, built->key, "for a card carried by hand: python3 %s/%s %s %s",
			     dir, board.script, path, board.file);
	else
		kf_log_phase(phase, built->key, "for a card carried by hand: copy %s to it as %s%s",
			     path, board.file,
			     board.unique ? ", under a name that it has not seen before" : "");
}

static void news(const struct kf_built *built, enum kf_build_event event, const char *text,
		 void *data)
{
	const struct batch *batch = data;

	if (event == KF_BUILD_STARTS)
		kf_log_phase(phase, built->key, "make -j%u in %s", (unsigned)batch->args->jobs,
			     text);
	else if (event == KF_BUILD_RUNS)
		kf_log_phase(phase, built->key, "%s", text);
	else if (event == KF_BUILD_SHARES)
		kf_log_phase(phase, built->key, "has the build key of %s: waiting for that build",
			     text);
	else if (built->firmware) {
		report(built, batch->args->told);
		tell_card(built, batch->registry);
	} else if (built->err.code != KF_INTERRUPTED)
		fail_record(batch, batch->records[built - batch->list], built->key, &built->err);
}

/* On a terminal, a line for each board. */
static bool start_lines(const struct batch *batch)
{
	_cleanup_(kf_freep) const char **keys = calloc(batch->count + 1, sizeof(*keys));

	for (size_t i = 0; keys && i < batch->count; i++)
		keys[i] = batch->list[i].key;
	return keys && !batch->args->common.quiet && kf_live_start(phase, keys, batch->count);
}

static int build_batch(struct batch *batch, struct kf_error *err)
{
	const struct args *args = batch->args;
	const struct kf_builds_options how = {
		.tick_ms = start_lines(batch) ? KF_LIVE_TICK_MS : 0,
		.jobs = (unsigned)args->jobs,
		.timeout_ms = args->timeout_ms,
		.wait_ms = args->wait_ms,
		.clean = args->clean,
		.event = news,
		.data = batch,
	};
	int r = kf_builds_run(batch->list, batch->count, &how, err);

	kf_live_end();
	for (size_t i = 0; r == 0 && i < batch->count; i++)
		if (batch->list[i].firmware)
			r = json_object_set(batch->records[i], "firmware", batch->list[i].firmware);
	return r;
}

static int build_all(json_t *records, const struct args *args, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { .lock = -1 };
	_cleanup_(kf_printers_free) struct kf_printers printers = { 0 };
	size_t count = json_array_size(records);
	_cleanup_(free_batch) struct batch batch = {
		.list = calloc(count + 1, sizeof(*batch.list)),
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
		.records = calloc(count + 1, sizeof(*batch.records)),
		.args = args,
		.registry = &registry,
	};
	int r = 0;

	if (!batch.list || !batch.records)
		return kf_fail_sys(err, ENOMEM, "%zu records", count);
	if (!args->klipper_dir) {
		r = kf_registry_load(&registry, err);
		if (r == 0)
			r = kf_printers_describe_records(records, &registry, &printers, err);
	}
	if (r == 0)
		r = collect(records, &registry, &batch, err);
	return r < 0 ? r : build_batch(&batch, err);
}

/* told: messages on this terminal have said what was built, and why not. */
static void print_row(const json_t *record, bool told)
{
	const struct kf_screen screen = kf_screen_of(stdout);
	const json_t *firmware = json_object_get(record, "firmware");
	const json_t *error = json_object_get(record, "error");
	const char *path = kf_json_text(firmware, "path");
	bool failed = kf_record_failed(record), said = failed ? kf_log_told() : told && path[0];
	char text[PATH_MAX + 256] = "not built";
	struct kf_board board;
	int at;

	if (failed && told)
		said = said || strcmp(kf_json_text(error, "tool"), kf_log_tool()) == 0;
	if (said || kf_record_board(record, &board, NULL) < 0)
		return;
	at = kf_screen_cell(&screen, kf_board_label(&board), 20);
	at = kf_screen_wrap(&screen, " ", at, 2);
	if (failed) {
		at = kf_screen_coloured(&screen, KF_COLOUR_BAD, "failed", at, 2);
		kf_text_format(text, sizeof(text), ": %s", kf_json_text(error, "message"));
	} else if (path[0]) {
		kf_text_format(text, sizeof(text), "%-12s %-32s %s", kf_json_text(firmware, "mcu"),
			       kf_json_text(firmware, "version"), path);
	}
	kf_screen_wrap(&screen, text, at, 2);
	putchar('\n');
}

static int write_all(const json_t *records, const struct args *args, struct kf_error *err)
{
	const json_t *record;
	size_t i;
	int r = 0;

	json_array_foreach(records, i, record) {
		if (args->common.table)
			print_row(record, args->told);
		else if (r == 0)
			r = kf_record_write(stdout, record, err);
	}
	return r < 0 ? r : kf_usage_flush(err);
}

int build_main(int argc, char *argv[])
{
	_cleanup_(kf_json_decrefp) json_t *records = json_array();
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct args args = { .jobs = cpus > 0 ? cpus : 1,
			     .timeout_ms = TIMEOUT_S * 1000,
			     .wait_ms = KF_WAIT_MS };
	struct kf_error err = { 0 };
	int status, r;

	status = parse(argc, argv, &args);
	if (status >= 0)
		return status;
	args.told = args.common.table && !args.common.chosen && !args.common.quiet &&
		    isatty(STDERR_FILENO);
	r = kf_record_read_all(stdin, kf_log_error, records, &err);
	kf_stop_install();
	if (r == 0)
		r = build_all(records, &args, &err);
	if (r == 0 && !kf_stop_signal())
		r = write_all(records, &args, &err);
	return kf_usage_end(r < 0 ? r : kf_record_status(records), &err);
}
