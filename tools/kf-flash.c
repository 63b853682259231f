/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kf-flash: records in, firmware onto boards, results out. All records are read and all
 * plans made before anything is stopped; one board's failure never stops another's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "board/last-flash.h"
#include "board/port.h"
#include "board/record.h"
#include "core/clock.h"
#include "core/live.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/options.h"
#include "core/text.h"
#include "core/usage.h"
#include "flash/batch.h"
#include "flash/board-lock.h"
#include "flash/flash.h"
#include "flash/parallel.h"
#include "flash/read.h"
#include "flash/script.h"
#include "registry/method.h"
#include "systemd/unit.h"

static const char phase[] = "Flash";

struct args {
	struct kf_flash_options flash;
	struct kf_batch batch;
	struct kf_board_locks locks;
	const char *port, *firmware;
	int64_t baud;	  /* with port, of a UART */
	int64_t delay_ms; /* after the last board's return */
	int64_t jobs;
	bool no_service, dry_run;
	struct kf_common common;
	bool told;   /* the table on standard output stands on the terminal of these messages */
	bool live;   /* each board has a line there */
	int news[2]; /* from the boards' processes, for their lines */
};

static const char help[] =
	"usage: kf-scan | kf-flash [options]\n"
	"       kf-flash --port PORT --firmware FILE [options]\n\n"
	"Flash each board with the firmware of its record, or its newest build, and write\n"
	"the result. The service that has a board's port is stopped, and started again.\n\n"
	"  -m, --method=METHOD      katapult (spoken natively), make_flash or flashtool\n"
	"      --no-fallback        do not try make flash when the method fails\n"
	"      --force              write the image also if the board has it already\n"
	"      --accept-unknown-version  write also firmware that does not tell its version\n"
	"  -t, --timeout=SECONDS    time that one method may take (60)\n"
	"      --return-timeout=SECONDS  time that a board has to come back (30)\n"
	"      --return-delay=SECONDS    from the last return to the start of the service\n"
	"  -u, --unit=UNIT          stop this unit too; may be given again\n"
	"      --no-service         stop nothing: a port that is in use is an error\n"
	"      --while-unknown      go on if nobody can say whether the printer prints\n"
	"  -w, --wait=SECONDS       wait for another kf-flash on the board (60; 0: do not)\n"
	"  -j, --jobs=N             boards to flash at a time (all)\n"
	"      --check              flash nothing: say which boards could be flashed now\n"
	"      --dry-run            only say what would happen\n"
	"      --read=FILE          write nothing: read one board's firmware into FILE ...\n"
	"      --bytes=N            ... so many bytes of it\n"
	"      --port=PORT          flash the board there: /dev/ttyACM0, can0:UUID ...\n"
	"      --baud=N             ... on a UART, of its firmware and its Katapult (250000)\n"
	"      --firmware=FILE      ... with this file, registered or not\n"
	"      --klipper-dir=DIR    source tree for make flash\n"
	"      --katapult-dir=DIR   where flashtool.py is\n"
	"      --json               records on standard output, also on a terminal\n"
	"      --table              a table on standard output, also in a pipe\n"
	"  -q, --quiet              only errors on standard error\n"
	"  -h, --help               this text\n"
	"  -V, --version            the version\n";

static int read_method(void *args, const char *text, struct kf_error *err)
{
	struct args *a = args;
	int r = kf_value_read(KF_VALUE_TEXT, "method", text, NULL, err);

	a->flash.method = text;
	return r < 0 ? r : kf_method_check("method", text, err);
}

static int read_unit(void *args, const char *text, struct kf_error *err)
{
	struct args *a = args;
	char unit[KF_NAME_SIZE];
	int r = kf_unit_name(text, unit, err);

	return r < 0 ? r : kf_hold_unit(&a->batch.hold, unit, err);
}

static const struct kf_option list[] = {
	KF_OPTION_READ("method", 'm', required_argument, read_method),
	KF_OPTION_FLAG("no-fallback", 0, flash.no_fallback),
	KF_OPTION_FLAG("force", 0, flash.force),
	KF_OPTION_FLAG("accept-unknown-version", 0, flash.unknown_version),
	KF_OPTION_VALUE("timeout", 't', KF_VALUE_TIMEOUT, flash.method_ms),
	KF_OPTION_VALUE("return-timeout", 0, KF_VALUE_TIMEOUT, flash.return_ms),
	KF_OPTION_VALUE("return-delay", 0, KF_VALUE_DELAY, delay_ms),
	KF_OPTION_READ("unit", 'u', required_argument, read_unit),
	KF_OPTION_FLAG("no-service", 0, no_service),
	KF_OPTION_FLAG("while-unknown", 0, batch.guard.while_unknown),
	KF_OPTION_VALUE("wait", 'w', KF_VALUE_DELAY, flash.wait_ms),
	KF_OPTION_VALUE("jobs", 'j', KF_VALUE_COUNT, jobs),
	KF_OPTION_FLAG("check", 0, flash.check),
	KF_OPTION_FLAG("dry-run", 0, dry_run),
	KF_OPTION_VALUE("read", 0, KF_VALUE_TEXT, flash.read),
	KF_OPTION_VALUE("bytes", 0, KF_VALUE_BYTES, flash.read_bytes),
	KF_OPTION_VALUE("port", 0, KF_VALUE_TEXT, port),
	KF_OPTION_VALUE("baud", 0, KF_VALUE_BAUD, baud),
	KF_OPTION_VALUE("firmware", 0, KF_VALUE_TEXT, firmware),
	KF_OPTION_VALUE("klipper-dir", 0, KF_VALUE_TEXT, flash.klipper_dir),
	KF_OPTION_VALUE("katapult-dir", 0, KF_VALUE_TEXT, flash.katapult_dir),
};

static const struct kf_options options = {
	.tool = "kf-flash", .help = help, .list = list, .count = KF_ARRAY_SIZE(list)
};

static int read_records(json_t *records, struct kf_error *err)
{
	int r = kf_record_read_all(stdin, kf_log_error, records, err);

	if (r == 0 && json_array_size(records) == 0)
		r = kf_stopped() ? kf_fail_stopped(err)
				 : kf_fail(err, KF_NOTHING_CONNECTED,
					   "no board on standard input: nothing to flash");
	if (r < 0 && err->code == KF_NOTHING_CONNECTED)
		err->hint[0] = '\0'; /* the stage before has said why */
	return r;
}

static void show_failure(const struct kf_board *board, const struct kf_error *err)
{
	if (err->log[0] && !kf_stop_signal())
		kf_log_tail(err->log);
	kf_log_error(kf_board_label(board), err);
}

static void fail_job(struct kf_job *job, const struct kf_error *err)
{
	show_failure(&job->board, err);
	kf_record_set_error(job->record, kf_log_tool(), err);
}

static void show_step(void *arg, const char *text)
{
	const struct kf_job *job = arg;

	kf_log_phase(phase, kf_board_label(&job->board), "%s", text);
}

static void show_progress(void *arg, const char *what, size_t done, size_t total)
{
	const struct kf_job *job = arg;

	kf_log_progress(phase, kf_board_label(&job->board), what, done, total);
}

/* A check is asked before the boards are worked for: who flashes them then says why. */
static void skip_job(struct kf_job *job, const struct args *args)
{
	json_object_set_new(job->record, "flash",
			    json_pack("{s:s, s:s}", "result", "skipped", "reason", job->plan.skip));
	if (!args->flash.check && !args->told)
		kf_log_phase(phase, kf_board_label(&job->board), "skipped: %s", job->plan.skip);
}

/* "would flash FILE (version, MCU, bytes) by METHOD at PORT, stopping UNIT" */
static void describe_plan(const struct kf_plan *plan, bool stops_units, char *ret, size_t size)
{
	const struct kf_board *board = &plan->board;
	const char *unit = stops_units ? board->holder.unit : "";
	bool second = plan->methods.count > 1;
	char place[KF_DEV_SIZE];

	kf_board_place(board, place, sizeof(place));
	if (plan->current)
		kf_text_format(ret, size,
			       "would leave it alone: it was last flashed with %s (%s), --force "
			       "writes it again",
			       plan->path, plan->image.dictionary.version);
	else
		kf_text_format(ret, size, "would flash %s (%s, %s, %zu bytes) by %s%s%s at %s%s%s",
			       plan->path, plan->image.dictionary.version,
			       plan->image.dictionary.mcu, plan->image.len,
			       kf_method_name(plan->methods.list[0]), second ? ", else " : "",
			       second ? kf_method_name(plan->methods.list[1]) : "",
			       board->tty[0] ? board->tty : place, unit[0] ? ", stopping " : "",
			       unit);
}

static enum kf_colour colour_of(const char *result)
{
	return strcmp(result, "failed") == 0	? KF_COLOUR_BAD
	       : strcmp(result, "skipped") == 0 ? KF_COLOUR_NOTE
	       : strcmp(result, "dry_run") == 0 ? KF_COLOUR_NONE
						: KF_COLOUR_GOOD;
}

/* What the table says behind the result. */
static void describe_job(const struct kf_job *job, const struct args *args, char *ret, size_t size)
{
	const json_t *flash = json_object_get(job->record, "flash");
	const json_t *error = json_object_get(job->record, "error");
	const json_t *read = json_object_get(job->record, "read");
	const char *before = kf_json_text(flash, "version_before"),
		   *after = kf_json_text(flash, "version_after");
	const char *reason = flash ? kf_json_text(flash, "reason") : "can be flashed now";
	bool dry_run = strcmp(kf_json_text(flash, "result"), "dry_run") == 0;

	if (kf_record_failed(job->record)) {
		bool said = kf_log_told() ||
			    (args->told && strcmp(kf_json_text(error, "tool"), kf_log_tool()) == 0);

		kf_text_format(ret, size, "%s",
			       said ? "see above" : kf_json_text(error, "message"));
		return;
	}
	if (read)
		kf_text_format(ret, size, "%s (%s, %lld bytes)", kf_json_text(read, "path"),
			       kf_json_text(read, "version"),
			       (long long)json_integer_value(json_object_get(read, "bytes")));
	else if (dry_run && args->told)
		describe_plan(&job->plan, !args->no_service, ret, size);
	else if (reason[0])
		kf_text_format(ret, size, "%s", reason);
	else if (dry_run)
		kf_text_format(ret, size, "would flash %s (%s)", job->plan.image.dictionary.version,
			       kf_json_text(flash, "method"));
	else
		kf_text_format(ret, size, "%s%s%s (%s)", before,
			       before[0] && after[0] ? " -> " : "", after,
			       kf_json_text(flash, "method"));
	if (args->told && json_object_get(flash, "seconds"))
		kf_text_format(ret + strlen(ret), size - strlen(ret), ", %.1f s",
			       json_number_value(json_object_get(flash, "seconds")));
}

/* "label  result  reason, or versions and method" of a board that is done. */
static void print_line(const struct kf_job *job, const struct args *args)
{
	const struct kf_screen screen = kf_screen_of(stdout);
	const json_t *flash = json_object_get(job->record, "flash");
	const char *result = kf_record_failed(job->record)	    ? "failed"
			     : json_object_get(job->record, "read") ? "read"
			     : flash				    ? kf_json_text(flash, "result")
								    : "ready";
	char said[1024], padded[48];
	int at;

	describe_job(job, args, said, sizeof(said));
	kf_text_format(padded, sizeof(padded), "%-10s ", result);
	at = kf_screen_cell(&screen, kf_board_label(&job->board), 20);
	at = kf_screen_wrap(&screen, " ", at, 2);
	at = kf_screen_coloured(&screen, colour_of(result), padded, at, 2);
	kf_screen_wrap(&screen, said, at, 2);
	putchar('\n');
}

static void dry_run_job(struct kf_job *job, const struct args *args)
{
	char text[1024];

	describe_plan(&job->plan, !args->no_service, text, sizeof(text));
	if (!args->told)
		kf_log_phase(phase, kf_board_label(&job->board), "%s", text);
	json_object_set_new(job->record, "flash",
			    json_pack("{s:s, s:s, s:s*}", "result", "dry_run", "method",
				      kf_method_name(job->plan.methods.list[0]), "reason",
				      job->plan.current ? text : NULL));
}

static void show_result(const struct kf_job *job, const json_t *flash)
{
	const char *label = kf_board_label(&job->board), *reason = kf_json_text(flash, "reason");
	const char *version = job->plan.image.dictionary.version;

	if (strcmp(kf_json_text(flash, "result"), "current") == 0)
		kf_log_done(phase, label, KF_COLOUR_GOOD, "current: %s: %s", version,
			    reason[0] ? reason : "it has this image; nothing was written");
	else
		kf_log_done(phase, label, KF_COLOUR_GOOD, "flashed: runs %s now, %.1f s", version,
			    json_number_value(json_object_get(flash, "seconds")));
}

static void flash_job(struct kf_job *job, const struct args *args)
{
	struct kf_progress progress = { show_step, show_progress, job };
	struct kf_error err;
	json_t *flash = NULL;
	int r;

	if (kf_stop_signal())
		r = kf_fail(&err, KF_INTERRUPTED, "not started: stopped by the user's signal");
	else
		r = kf_flash_board(&job->plan, &progress, &flash, &err);
	if (flash)
		json_object_set_new(job->record, "flash", flash);
	if (r < 0)
		fail_job(job, &err);
	else if (!args->told)
		show_result(job, flash);
	else if (args->live)
		kf_log_phase(phase, kf_board_label(&job->board), "done");
	if (flash && kf_history_append(job->record, &err) < 0)
		kf_log_warn(kf_board_label(&job->board), "%s", err.message);
}

static void read_job(struct kf_job *job, const struct args *args)
{
	struct kf_progress progress = { show_step, show_progress, job };
	const char *label = kf_board_label(&job->board);
	struct kf_error err;
	json_t *read = NULL;

	if (kf_read_board(&job->plan, &progress, &read, &err) < 0) {
		fail_job(job, &err);
		return;
	}
	json_object_set_new(job->record, "read", read);
	if (!args->told)
		kf_log_done(phase, label, KF_COLOUR_GOOD, "read: it runs %s again, %.1f s",
			    kf_json_text(read, "version"),
			    json_number_value(json_object_get(read, "seconds")));
}

static void run_job(struct kf_job *job, void *arg)
{
	const struct args *args = arg;

	if (kf_record_failed(job->record))
		return;
	if (job->plan.skip[0])
		skip_job(job, args);
	else if (args->flash.check)
		return;
	else if (args->dry_run)
		dry_run_job(job, args);
	else if (args->flash.read)
		read_job(job, args);
	else
		flash_job(job, args);
}

/* A lost standard output is told at the end, when every board is at its own. */
static int write_job(const struct kf_job *job, void *arg, struct kf_error *err)
{
	const struct args *args = arg;
	const char *label = kf_board_label(&job->board);
	int r = 0;

	if (!args->common.table)
		return kf_record_write(stdout, job->record, err);
	/* Standing on the terminal, it takes the place of the board's own line. */
	if (args->told && kf_live_of(label))
		kf_live_drop(kf_live_of(label));
	kf_live_hide();
	print_line(job, args);
	if (fflush(stdout) == EOF)
		r = kf_fail_sys(err, errno, "cannot write to standard output");
	kf_live_show();
	return r;
}

static void share(void *arg)
{
	const struct args *args = arg;

	kf_log_share(args->news[1]);
}

static void tick(void *arg)
{
	const struct args *args = arg;

	kf_log_receive(args->news[0]);
}

/* On a terminal, a line for each board that will be worked on. */
static void start_lines(struct args *args, struct kf_parallel *parallel)
{
	const struct kf_batch *batch = &args->batch;
	_cleanup_(kf_freep) const char **labels = calloc(batch->count + 1, sizeof(*labels));
	const char *down = getenv("KF_DOWN_SINCE");
	size_t count = 0;

	for (size_t i = 0; labels && i < batch->count; i++)
		if (batch->list[i].planned && !batch->list[i].plan.skip[0] &&
		    !kf_record_failed(batch->list[i].record))
			labels[count++] = kf_board_label(&batch->list[i].board);
	args->live = labels && !args->common.quiet && kf_live_start(phase, labels, count);
	if (!args->live)
		return;
	/* Without it, the boards' processes would write between the lines. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, args->news) < 0) {
		kf_live_end();
		args->live = false;
		return;
	}
	kf_live_set_down(down ? strtoll(down, NULL, 10) : 0);
	parallel->news = args->news[0];
	parallel->tick_ms = KF_LIVE_TICK_MS;
}

/* The records on standard input, or one of the port and the file that were named by hand. */
static int get_records(const struct args *args, json_t *records, struct kf_error *err)
{
	json_t *record;
	int r;

	if (!args->flash.by_hand)
		return read_records(records, err);
	r = kf_plan_by_hand(args->port, (uint32_t)args->baud, args->firmware, &record, err);
	if (r == 0)
		json_array_append_new(records, record);
	return r;
}

static void show_wait(const struct kf_board *board, const char *other)
{
	kf_log_phase(phase, kf_board_label(board), "waiting for %s, which is using this board",
		     other);
}

static void show_slow(const char *klippy)
{
	kf_log_phase(phase, NULL, "asking %s, which belongs to another user, for its boards",
		     klippy);
}

/* Then the boards have their time before whoever waits for us starts their service again. */
static int flash_all(struct kf_batch *batch, struct kf_parallel *parallel, struct args *args,
		     struct kf_error *err)
{
	int64_t delay_ms = args->no_service && kf_batch_any(batch) ? args->delay_ms : 0;
	int r;

	if (!args->flash.check && !args->dry_run)
		start_lines(args, parallel);
	r = kf_parallel_run(batch, parallel, err);
	kf_live_end();
	if (delay_ms && kf_wait(NULL, 0, kf_now_ms() + delay_ms) < 0)
		kf_log_phase(phase, NULL, "stopped by the user's signal: no delay");
	return r;
}

/* Build the tools that make flash needs: it takes time, so it is done before anything is stopped.
 */
static void prepare_jobs(struct kf_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct kf_job *job = &batch->list[i];
		struct kf_progress progress = { show_step, show_progress, job };

		if (!job->planned || job->plan.skip[0] || job->plan.current ||
		    kf_make_flash_prepare(&job->plan, &progress, &job->err) == 0)
			continue;
		if (job->plan.methods.count > 1)
			kf_error_hint(&job->err,
				      "if the board has Katapult, make flash is not needed: "
				      "--no-fallback");
		kf_record_set_error(job->record, kf_log_tool(), &job->err);
	}
}

static int work(json_t *records, struct args *args, char **argv, struct kf_error *err)
{
	bool touches = !args->flash.check && !args->dry_run;
	struct kf_parallel parallel = {
		.jobs = touches ? (size_t)args->jobs : 1,
		.run = run_job,
		.begin = share,
		.tick = tick,
		.news = -1,
		.lost = fail_job,
		.done = write_job,
		.arg = args,
	};
	struct kf_batch *batch = &args->batch;
	int r;

	r = get_records(args, records, err);
	if (r == 0 && args->flash.read && json_array_size(records) != 1)
		return kf_fail(err, KF_USAGE, "--read reads one board, and %zu came",
			       json_array_size(records));
	if (r == 0)
		r = kf_board_locks_take(&args->locks, records, kf_now_ms() + args->flash.wait_ms,
					err);
	if (r == 0)
		r = kf_batch_plan(records, &args->flash, kf_log_tool(), batch, err);
	if (r < 0)
		return r;
	if (touches && !args->flash.read)
		prepare_jobs(batch);
	batch->hold.off = args->no_service;
	kf_batch_hold(batch, kf_log_tool());
	for (size_t i = 0; i < batch->count; i++)
		if (batch->list[i].err.code != KF_OK)
			show_failure(&batch->list[i].board, &batch->list[i].err);
	if (args->no_service || !touches || kf_stop_signal() || !batch->hold.count ||
	    !kf_batch_any(batch))
		return flash_all(batch, &parallel, args, err);
	r = kf_board_locks_keep(&args->locks, err);
	return r < 0 ? r
		     : kf_hold_exec(&batch->hold, args->flash.wait_ms, batch->guard.while_unknown,
				    argv, records, err);
}

static int check_read(const struct args *args)
{
	if (!args->flash.read != !args->flash.read_bytes)
		return kf_usage_mistake("--read=FILE and --bytes=N go together");
	if (args->flash.read && (args->port || args->dry_run || args->flash.check))
		return kf_usage_mistake("--read goes with neither --port, --check nor --dry-run");
	return -1;
}

static int check_baud(const struct args *args)
{
	struct kf_port port;

	if (!args->baud)
		return -1;
	if (!args->port)
		return kf_usage_mistake("--baud goes with --port");
	if (kf_port_read(args->port, &port, NULL) == 0 && port.uuid[0])
		return kf_usage_mistake("--baud is the speed of a UART: a CAN bus has its bitrate "
					"by ip link (ip -details link show %s)",
					port.interface);
	return -1;
}

static int parse(int argc, char **argv, struct args *args)
{
	int status = kf_options_read(&options, argc, argv, args, &args->common);

	if (status >= 0)
		return status;
	args->flash.by_hand = args->port && args->firmware;
	if (optind < argc)
		return kf_usage_mistake(
			"boards come as records on standard input, not as arguments");
	if ((bool)args->port != (bool)args->firmware)
		return kf_usage_mistake("--port and --firmware go together");
	status = check_baud(args);
	return status >= 0 ? status : check_read(args);
}

int main(int argc, char *argv[])
{
	_cleanup_(kf_json_decrefp) json_t *records = json_array();
	struct args args = {
		.flash = { .method_ms = KF_FLASH_METHOD_MS,
			   .return_ms = KF_FLASH_RETURN_MS,
			   .wait_ms = KF_WAIT_MS },
		.locks = { .tool = "kf-flash", .waits = show_wait, .failed = show_failure },
		.batch.guard.waits = show_slow,
		.news = { -1, -1 },
	};
	struct kf_error err;
	int status, r;

	status = parse(argc, argv, &args);
	if (status >= 0)
		return status;
	args.told = args.common.table && !args.common.quiet && isatty(STDOUT_FILENO) &&
		    isatty(STDERR_FILENO);
	kf_stop_install();
	r = work(records, &args, argv, &err);
	status = kf_usage_end(r < 0 ? r : kf_record_status(records), &err);
	kf_batch_free(&args.batch);
	kf_board_locks_free(&args.locks);
	return status;
}
