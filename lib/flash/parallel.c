/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each board's process has its own pipe for what it found out; its end says that it has ended. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "board/last-flash.h"
#include "board/record.h"
#include "core/clock.h"
#include "core/process.h"
#include "flash/parallel.h"

/* One job: waiting, then a process, then over. */
struct worker {
	pid_t pid;
	FILE *in; /* what it found out */
	bool over;
};

struct crew {
	struct kf_batch *batch;
	const struct kf_parallel *p;
	struct worker *list;
	struct pollfd *fds;
	size_t running, limit, reported;
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

/* Two records of one board go one after the other. */
static bool port_is_taken(const struct crew *crew, size_t i)
{
	const char *port = crew->batch->list[i].plan.board.usb.port;

	for (size_t k = 0; k < i; k++)
		if (!crew->list[k].over && needs_process(&crew->batch->list[k]) &&
		    strcmp(crew->batch->list[k].plan.board.usb.port, port) == 0)
			return true;
	return false;
}

static void work(struct crew *crew, struct kf_job *job, int fd, pid_t parent)
{
	json_t *result;

	/* Nobody would stop it, nor start the service again when it is done. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	crew->p->begin();
	crew->p->run(job, crew->p->arg);
	result = json_pack("{s:O?, s:O?}", "error", json_object_get(job->record, "error"), "flash",
			   json_object_get(job->record, "flash"));
	_exit(result && json_dumpfd(result, fd, JSON_COMPACT) == 0 ? 0 : 1);
}

/* lint: -Wno-analyzer-malloc-leak: w->in is closed when the worker is finished */
static int start(struct crew *crew, size_t i)
{
	struct worker *w = &crew->list[i];
	pid_t parent = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	w->in = fdopen(fds[0], "r");
	w->pid = w->in ? fork() : -1;
	if (w->pid == 0)
		work(crew, &crew->batch->list[i], fds[1], parent);
	close(fds[1]);
	if (w->pid < 0) {
		w->pid = 0;
		kf_fclosep(&w->in);
		return -EAGAIN;
	}
	crew->running++;
	return 0;
}

/* Here, when there is no process to be had. */
static void run_here(struct crew *crew, size_t i)
{
	crew->p->run(&crew->batch->list[i], crew->p->arg);
	crew->list[i].over = true;
}

static void start_more(struct crew *crew)
{
	for (size_t i = 0; i < crew->batch->count; i++) {
		if (crew->list[i].over || crew->list[i].pid)
			continue;
		if (!needs_process(&crew->batch->list[i]) ||
		    (crew->running < crew->limit && !port_is_taken(crew, i) && start(crew, i) < 0 &&
		     crew->running == 0))
			run_here(crew, i);
	}
}

/* Its pipe has news: the result, or the end without one. */
static void finish(struct crew *crew, size_t i)
{
	struct kf_job *job = &crew->batch->list[i];
	struct worker *w = &crew->list[i];
	/* Its end of file may come later: a process that drains the port has it open too. */
	json_t *result = json_loadf(w->in, JSON_DISABLE_EOF_CHECK, NULL),
	       *flash = json_object_get(result, "flash");
	struct kf_error err;
	int status = 0;

	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	kf_fclosep(&w->in);
	if (json_is_object(result)) {
		json_object_set(job->record, "error", json_object_get(result, "error"));
		if (json_is_object(flash))
			json_object_set(job->record, "flash", flash);
	} else {
		kf_fail(&err, KF_INTERNAL, "the process that flashed it died (%s %d)",
			WIFSIGNALED(status) ? "signal" : "status",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		kf_error_hint(&err, "run it again: what a board has already is left as it is");
		kf_last_flash_explain(job->board.key, &err);
		crew->p->lost(job, &err);
	}
	json_decref(result);
	w->over = true;
	crew->running--;
}

static void pass_signal(const struct crew *crew)
{
	for (size_t i = 0; i < crew->batch->count; i++)
		if (crew->list[i].pid && !crew->list[i].over)
			kf_process_signal(crew->list[i].pid, kf_stop_signal());
}

/* Until one of them has ended; once stopped, they are waited for all the same. */
static void await(struct crew *crew)
{
	bool stopped = kf_stop_signal() != 0;
	int n;

	for (size_t i = 0; i < crew->batch->count; i++) {
		struct worker *w = &crew->list[i];

		crew->fds[i] =
			(struct pollfd){ .fd = w->in ? fileno(w->in) : -1, .events = POLLIN };
	}
	n = stopped ? kf_wait_through(crew->fds, crew->batch->count, KF_FOREVER)
		    : kf_wait(crew->fds, crew->batch->count, KF_FOREVER);
	if (n == -EINTR)
		pass_signal(crew);
	for (size_t i = 0; n > 0 && i < crew->batch->count; i++)
		if (crew->fds[i].revents)
			finish(crew, i);
}

static void report_done(struct crew *crew, int *r, struct kf_error *err)
{
	for (; crew->reported < crew->batch->count && crew->list[crew->reported].over;
	     crew->reported++)
		if (*r == 0)
			*r = crew->p->done(&crew->batch->list[crew->reported], crew->p->arg, err);
}

static int run_alone(struct kf_batch *batch, const struct kf_parallel *p, struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; i < batch->count; i++) {
		p->run(&batch->list[i], p->arg);
		if (r == 0)
			r = p->done(&batch->list[i], p->arg, err);
	}
	return r;
}

int kf_parallel_run(struct kf_batch *batch, const struct kf_parallel *p, struct kf_error *err)
{
	_cleanup_(kf_freep) struct worker *list = calloc(batch->count + 1, sizeof(*list));
	_cleanup_(kf_freep) struct pollfd *fds = calloc(batch->count + 1, sizeof(*fds));
	struct crew crew = { .batch = batch, .p = p, .list = list, .fds = fds };
	int r = 0;

	if (!list || !fds)
		return kf_fail_sys(err, ENOMEM, "%zu boards", batch->count);
	crew.limit = p->jobs ? p->jobs : batch->count;
	if (crew.limit == 1 || count_processes(batch) < 2)
		return run_alone(batch, p, err);
	while (crew.reported < batch->count) {
		start_more(&crew);
		report_done(&crew, &r, err);
		if (crew.running > 0)
			await(&crew);
	}
	return r;
}
