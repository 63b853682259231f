/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each stage is watched through its pidfd, so that the order in which they end is known:
 * it tells the stage that failed from those that failed because of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/pipeline.h"
#include "core/process.h"

struct run {
	struct kf_stage *stages;
	size_t count; /* started */
	unsigned ended;
	pid_t pid[KF_STAGES_MAX]; /* 0: has ended */
	struct pollfd fds[KF_STAGES_MAX];
};

static bool failed_whole(const struct kf_stage *stage)
{
	return stage->status >= EX__BASE;
}

static void signal_stages(const struct run *run, size_t count, int sig)
{
	for (size_t i = 0; i < count; i++)
		if (kf_process_signal(run->pid[i], sig) == 0 && sig == SIGTERM)
			run->stages[i].stopped = true;
}

static void reap(struct run *run, size_t i)
{
	struct kf_stage *stage = &run->stages[i];
	int status = 0;

	while (waitpid(run->pid[i], &status, 0) < 0 && errno == EINTR)
		;
	run->pid[i] = 0;
	kf_closep(&run->fds[i].fd);
	stage->status = kf_process_status(status);
	stage->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	stage->order = run->ended;
}

/* Wait for one or more stages to end; those found ended together have the same order. */
static int watch(struct run *run)
{
	unsigned ended = 0;
	int n = kf_wait(run->fds, run->count, KF_FOREVER);

	if (n < 0)
		return n;
	for (size_t i = 0; i < run->count; i++) {
		if (run->fds[i].fd < 0 || !run->fds[i].revents)
			continue;
		reap(run, i);
		ended++;
		if (failed_whole(&run->stages[i]))
			signal_stages(run, i, SIGTERM);
	}
	run->ended += ended;
	return 0;
}

static void wait_all(struct run *run)
{
	int r = 0;

	while (r == 0 && run->ended < run->count)
		r = watch(run);
	/* What ended the last stage may have been a signal to us all: look whether we have it. */
	if (r == 0)
		r = kf_wait(NULL, 0, 0);
	if (r == -EINTR)
		signal_stages(run, run->count, kf_stop_signal());
	for (size_t i = 0; i < run->count; i++)
		if (run->pid[i] > 0)
			reap(run, i);
}

static int start(struct run *run, int in, int out, struct kf_error *err)
{
	size_t i = run->count;
	struct kf_process process = {
		.argv = run->stages[i].argv,
		.in = in,
		.out = out,
		.err = STDERR_FILENO,
		.foreground = true,
	};
	int r;

	r = kf_process_start(&process, &run->pid[i], err);
	if (r < 0)
		return r;
	run->count++;
	run->fds[i].events = POLLIN;
	run->fds[i].fd = (int)syscall(SYS_pidfd_open, run->pid[i], 0);
	if (run->fds[i].fd < 0)
		return kf_fail_sys(err, errno, "%s: cannot watch it", process.argv[0]);
	return 0;
}

static int start_all(struct run *run, size_t count, int in, int out, struct kf_error *err)
{
	_cleanup_(kf_closep) int from = -1;
	int fds[2] = { -1, -1 }, r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		_cleanup_(kf_closep) int to = -1, source = from;

		from = -1;
		if (i + 1 < count) {
			if (pipe2(fds, O_CLOEXEC) < 0)
				return kf_fail_sys(err, errno, "cannot make a pipe");
			from = fds[0];
			to = fds[1];
		}
		r = start(run, i == 0 ? in : source, i + 1 < count ? to : out, err);
	}
	return r;
}

int kf_pipeline_run(struct kf_stage *stages, size_t count, int in, int out, struct kf_error *err)
{
	struct run run = { .stages = stages };
	int r;

	if (count > KF_STAGES_MAX)
		return kf_fail(err, KF_INTERNAL, "a pipe of %zu stages", count);
	for (size_t i = 0; i < KF_STAGES_MAX; i++)
		run.fds[i].fd = -1;
	r = start_all(&run, count, in, out, err);
	if (r < 0)
		signal_stages(&run, run.count, SIGTERM);
	wait_all(&run);
	return r;
}

/*
 * Did stage i fail only because a later one had? Then it was told to stop, or could not
 * write any more, and the later one had ended by then.
 */
static bool consequence(const struct kf_stage *stages, size_t count, size_t i)
{
	const struct kf_stage *stage = &stages[i];

	if (stage->stopped)
		return true;
	if (stage->status != EX_IOERR && stage->status != 128 + SIGPIPE)
		return false;
	for (size_t later = i + 1; later < count; later++)
		if (failed_whole(&stages[later]) && stages[later].order <= stage->order)
			return true;
	return false;
}

int kf_pipeline_status(const struct kf_stage *stages, size_t count, int stop_signal,
		       const struct kf_stage **ret)
{
	const struct kf_stage *whole = NULL, *board = NULL;
	int lost = kf_code_status(KF_SERVICE_LOST);

	*ret = NULL;
	for (size_t i = 0; i < count; i++) {
		if (stages[i].status == lost) {
			*ret = &stages[i];
			return lost;
		}
		if (!whole && failed_whole(&stages[i]) && !consequence(stages, count, i))
			whole = &stages[i];
		if (!board && stages[i].status > 0 && !failed_whole(&stages[i]))
			board = &stages[i];
	}
	if (stop_signal)
		return 128 + stop_signal;
	*ret = whole ? whole : board;
	return whole ? whole->status : board ? 1 : 0;
}

bool kf_pipeline_explain(const struct kf_stage *stages, size_t count, const struct kf_stage *cause,
			 struct kf_error *ret)
{
	const char *slash = strrchr(cause->argv[0], '/');
	const char *name = slash ? slash + 1 : cause->argv[0];

	if (cause->signal) {
		kf_fail(ret, KF_INTERNAL, "%s was killed by signal %d (%s)", name, cause->signal,
			strsignal(cause->signal));
		if (cause->signal == SIGKILL)
			kf_error_hint(ret, "journalctl -k tells whether memory ran out");
		return true;
	}
	for (const struct kf_stage *later = cause + 1; later < stages + count; later++)
		if (failed_whole(cause) && failed_whole(later)) {
			kf_fail(ret, KF_IO, "%s failed first: the message above has the cause",
				name);
			return true;
		}
	return false;
}
