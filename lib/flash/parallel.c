/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each board's process writes its result into a pipe of its own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "board/last-flash.h"
#include "board/port.h"
#include "board/record.h"
#include "core/clock.h"
#include "core/process.h"
#include "flash/parallel.h"

/* One job: waiting, then a process, then over. */
struct worker {
	pid_t pid;
	FILE *in; /* its result */
	bool over;
};

struct run {
	struct kf_batch *batch;
	const struct kf_parallel *p;
	struct worker *list;
	struct pollfd *fds;
	size_t running, limit, reported;
	bool alone; /* one board at a time, in this process */
	int r;	    /* the first failure of done */
	struct kf_error *err;
};

static bool needs_process(const struct kf_job *job)
{
	return job->planned && !job->plan.skip[0] && !kf_record_failed(job->record);
}

static size_t count_processes(const struct kf_batch *batch)
{
	size_t n = 0;

	for (size_t i = 0; i < batch->count; i++)
		n += needs_process(&batch->list[i]);
	return n;
}

static bool same(const char *a, const char *b)
{
	return a[0] && strcmp(a, b) == 0;
}

/*
 * Must this one wait for the other? Two records of one board go one after the other, the nodes of
 * one bus too, and a bridge after all nodes behind it, whatever the order of their records.
 */
static bool waits_for(const struct kf_board *board, const struct kf_board *other, bool earlier)
{
	bool bus = board->link.type == KF_WIRE_CAN && other->link.type == KF_WIRE_CAN &&
		   same(board->link.interface, other->link.interface);

	if (bus && kf_board_is_bridge(board) != kf_board_is_bridge(other))
		return kf_board_is_bridge(board);
	return earlier && (bus || same(board->usb.port, other->usb.port) ||
			   (!board->usb.port[0] && same(board->tty, other->tty)));
}

static bool must_wait(const struct run *run, size_t i)
{
	const struct kf_job *list = run->batch->list;

	for (size_t k = 0; needs_process(&list[i]) && k < run->batch->count; k++)
		if (k != i && !run->list[k].over && needs_process(&list[k]) &&
		    waits_for(&list[i].plan.board, &list[k].plan.board, k < i))
			return true;
	return false;
}

static void work_in_child(struct run *run, struct kf_job *job, int fd, pid_t parent)
{
	json_t *result;

	/* Without our parent nobody could stop us, or start the service again. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	run->p->begin(run->p->arg);
	run->p->run(job, run->p->arg);
	result = json_pack("{s:O?, s:O?, s:O?}", "error", json_object_get(job->record, "error"),
			   "flash", json_object_get(job->record, "flash"), "read",
			   json_object_get(job->record, "read"));
	_exit(result && json_dumpfd(result, fd, JSON_COMPACT) == 0 ? 0 : 1);
}

/* lint: -Wno-analyzer-malloc-leak: w->in is closed when the worker is finished */
static int start(struct run *run, size_t i)
{
	struct worker *w = &run->list[i];
	pid_t parent = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	w->in = fdopen(fds[0], "r");
	w->pid = w->in ? fork() : -1;
	if (w->pid == 0)
		work_in_child(run, &run->batch->list[i], fds[1], parent);
	close(fds[1]);
	if (w->pid < 0) {
		w->pid = 0;
		kf_fclosep(&w->in);
		return -EAGAIN;
	}
	run->running++;
	return 0;
}

static void report_done(struct run *run)
{
	for (; run->reported < run->batch->count && run->list[run->reported].over; run->reported++)
		if (run->r == 0)
			run->r = run->p->done(&run->batch->list[run->reported], run->p->arg,
					      run->err);
}

static void run_here(struct run *run, size_t i)
{
	run->p->run(&run->batch->list[i], run->p->arg);
	run->list[i].over = true;
	report_done(run);
}

static void start_more(struct run *run)
{
	for (size_t i = 0; i < run->batch->count; i++) {
		if (run->list[i].over || run->list[i].pid)
			continue;
		bool here = run->alone || !needs_process(&run->batch->list[i]);

		if (must_wait(run, i) || (!here && run->running == run->limit))
			continue;
		/* If no process can be started and none runs, flash the board in this one. */
		if (here || (start(run, i) < 0 && run->running == 0))
			run_here(run, i);
	}
}

/* The pipe of this worker has its result, or has ended without one. */
static void finish(struct run *run, size_t i)
{
	struct kf_job *job = &run->batch->list[i];
	struct worker *w = &run->list[i];
	/* Do not wait for the pipe's end: a process that drains the port has the pipe open too. */
	json_t *result = json_loadf(w->in, JSON_DISABLE_EOF_CHECK, NULL),
	       *flash = json_object_get(result, "flash"), *read = json_object_get(result, "read");
	struct kf_error err;
	int status = 0;

	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	kf_fclosep(&w->in);
	if (json_is_object(result)) {
		json_object_set(job->record, "error", json_object_get(result, "error"));
		if (json_is_object(flash))
			json_object_set(job->record, "flash", flash);
		if (json_is_object(read))
			json_object_set(job->record, "read", read);
	} else {
		kf_fail(&err, KF_INTERNAL, "the process that flashed it ended (%s %d)",
			WIFSIGNALED(status) ? "signal" : "status",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		kf_error_hint(&err, "run the same command again: boards that are done are skipped");
		kf_last_flash_explain(job->board.key, &err);
		run->p->lost(job, &err);
	}
	json_decref(result);
	w->over = true;
	run->running--;
}

static void pass_signal(const struct run *run)
{
	for (size_t i = 0; i < run->batch->count; i++)
		if (run->list[i].pid && !run->list[i].over)
			kf_process_signal(run->list[i].pid, kf_stop_signal());
}

/* Wait for a worker or the next tick. After a stop signal, still wait for the workers to end. */
static void await(struct run *run)
{
	int64_t until_ms = run->p->tick_ms ? kf_now_ms() + run->p->tick_ms : KF_FOREVER;
	bool stopped = kf_stop_signal() != 0;
	size_t count = run->batch->count;
	int n;

	for (size_t i = 0; i < run->batch->count; i++) {
		struct worker *w = &run->list[i];

		run->fds[i] = (struct pollfd){ .fd = w->in ? fileno(w->in) : -1, .events = POLLIN };
	}
	run->fds[count] = (struct pollfd){ .fd = run->p->news, .events = POLLIN };
	n = stopped ? kf_wait_through(run->fds, count + 1, until_ms)
		    : kf_wait(run->fds, count + 1, until_ms);
	if (n == -EINTR)
		pass_signal(run);
	/* Show a worker's messages before its end. */
	if (run->p->tick_ms)
		run->p->tick(run->p->arg);
	for (size_t i = 0; n > 0 && i < run->batch->count; i++)
		if (run->fds[i].revents)
			finish(run, i);
}

int kf_parallel_run(struct kf_batch *batch, const struct kf_parallel *p, struct kf_error *err)
{
	_cleanup_(kf_freep) struct worker *list = calloc(batch->count + 1, sizeof(*list));
	_cleanup_(kf_freep) struct pollfd *fds = calloc(batch->count + 1, sizeof(*fds));
	struct run run = { .batch = batch, .p = p, .list = list, .fds = fds, .err = err };

	if (!list || !fds)
		return kf_fail_sys(err, ENOMEM, "%zu boards", batch->count);
	run.limit = p->jobs ? p->jobs : batch->count;
	/* With ticks even a single board gets a process, so that this one is free for the ticks. */
	run.alone = run.limit == 1 || (count_processes(batch) < 2 && !p->tick_ms);
	while (run.reported < batch->count) {
		start_more(&run);
		report_done(&run);
		if (run.running > 0)
			await(&run);
	}
	return run.r;
}
