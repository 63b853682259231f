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
#include "board/record.h"
#include "core/clock.h"
#include "core/lock.h"
#include "flash/batch.h"
#include "flash/board-lock.h"
#include "flash/by-hand.h"
#include "flash/flash.h"
#include "flash/parallel.h"
#include "flash/read.h"
#include "kf-flash/options.h"
#include "kf-flash/show.h"
#include "names.h"
#include "registry/method.h"
#include "terminal/live.h"
#include "terminal/log.h"
#include "terminal/usage.h"

static const char phase[] = "Flash";

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

static void fail_job(struct kf_job *job, const struct kf_error *err)
{
	show_failure(&job->board, err);
	kf_record_set_error(job->record, kf_log_tool(), err);
}

/* A check comes before a flash: the flash will say why the board is skipped. */
static void skip_job(struct kf_job *job, const struct args *args)
{
	json_object_set_new(job->record, "flash",
			    json_pack("{s:s, s:s}", "result", "skipped", "reason", job->plan.skip));
	if (!args->flash.check && !args->told)
		kf_log_phase(phase, kf_board_label(&job->board), "skipped: %s", job->plan.skip);
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
	/* A row on the terminal takes the place of the board's own line. */
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
	/* Without the socket the boards' processes would write between the lines. */
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
	r = kf_by_hand_record(args->port, (uint32_t)args->baud, args->firmware, args->bootloader,
			      &record, err);
	if (r == 0)
		json_array_append_new(records, record);
	return r;
}

/* Flash all boards; then give them delay_ms, before our parent starts their service again. */
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

static int prepare(const struct kf_plan *plan, const struct kf_progress *progress,
		   struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->methods.count; i++) {
		const struct kf_method_row *row = kf_method_row(plan->methods.list[i]);

		r = row->prepare ? row->prepare(plan, progress, err) : 0;
	}
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
		    prepare(&job->plan, &progress, &job->err) == 0)
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

static int flash_main(int argc, char *argv[])
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

	status = options_read(argc, argv, &args);
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

int main(int argc, char *argv[])
{
	return kf_usage_is("doctor") ? doctor_main(argc, argv) : flash_main(argc, argv);
}
