/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stop signals stay blocked except inside ppoll(2): a signal between the look at the
 * flag and the wait cannot be missed.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "core/clock.h"

#define NS_PER_MS 1000000

static const int stop_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static volatile sig_atomic_t stop_signal;
static bool installed;
static bool deferred;	 /* kf_stop_defer */
static sigset_t outside; /* the mask that kf_wait waits with */

static void remember(int sig)
{
	stop_signal = sig;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 * NS_PER_MS + ts.tv_nsec;
}

int64_t kf_now_ms(void)
{
	return now_ns() / NS_PER_MS;
}

void kf_now_utc(char ret[KF_UTC_SIZE])
{
	time_t now = time(NULL);
	struct tm tm;

	strftime(ret, KF_UTC_SIZE, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
}

/* A deadline that nanoseconds cannot hold (292 years) counts as none. */
static int64_t to_ns(int64_t deadline_ms)
{
	return deadline_ms > INT64_MAX / NS_PER_MS ? KF_FOREVER : deadline_ms * NS_PER_MS;
}

int64_t kf_within_ms(int64_t ms, int64_t deadline_ms)
{
	int64_t end_ms = kf_now_ms() + ms;

	return end_ms < deadline_ms ? end_ms : deadline_ms;
}

void kf_stop_install(void)
{
	struct sigaction act = { .sa_handler = remember }, old;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < KF_ARRAY_SIZE(stop_signals); i++) {
		/* A signal that our caller ignores (nohup, a background job) stays ignored. */
		if (sigaction(stop_signals[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN)
			continue;
		sigaction(stop_signals[i], &act, NULL);
		sigaddset(&set, stop_signals[i]);
	}
	sigprocmask(SIG_BLOCK, &set, &outside);
	for (size_t i = 0; i < KF_ARRAY_SIZE(stop_signals); i++)
		sigdelset(&outside, stop_signals[i]);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* if it is ignored, the status of a child is lost */
	installed = true;
}

int kf_stop_signal(void)
{
	return stop_signal;
}

static int wait_with(struct pollfd *fds, nfds_t count, int64_t deadline_ns, const sigset_t *mask)
{
	int64_t left = deadline_ns == KF_FOREVER ? 0 : deadline_ns - now_ns();
	struct timespec ts;
	int n;

	if (left < 0)
		left = 0;
	ts.tv_sec = left / (1000 * NS_PER_MS);
	ts.tv_nsec = left % (1000 * NS_PER_MS);
	n = ppoll(fds, count, deadline_ns == KF_FOREVER ? NULL : &ts, mask);
	return n < 0 ? -errno : n;
}

bool kf_stopped(void)
{
	static const struct timespec no_time;

	if (deferred)
		return false;
	if (installed && !stop_signal)
		ppoll(NULL, 0, &no_time, &outside);
	return stop_signal;
}

void kf_stop_defer(bool defer)
{
	deferred = defer;
}

static int wait_through(struct pollfd *fds, nfds_t count, int64_t deadline_ns)
{
	int n;

	do
		n = wait_with(fds, count, deadline_ns, NULL);
	while (n == -EINTR);
	return n;
}

static int wait_until(struct pollfd *fds, nfds_t count, int64_t deadline_ns)
{
	int n = 0;

	if (deferred)
		return wait_through(fds, count, deadline_ns);
	/* A pending signal is only delivered where nothing is ready: it is looked for first. */
	while (!kf_stopped()) {
		n = wait_with(fds, count, deadline_ns, installed ? &outside : NULL);
		if (n != -EINTR)
			break;
	}
	return stop_signal ? -EINTR : n;
}

int kf_wait_through(struct pollfd *fds, nfds_t count, int64_t deadline_ms)
{
	return wait_through(fds, count, to_ns(deadline_ms));
}

int kf_wait(struct pollfd *fds, nfds_t count, int64_t deadline_ms)
{
	return wait_until(fds, count, to_ns(deadline_ms));
}

int kf_pause(int64_t ms, int64_t deadline_ms)
{
	int64_t end_ns = now_ns() + ms * NS_PER_MS, deadline_ns = to_ns(deadline_ms);
	bool in_time = end_ns < deadline_ns;
	int r = wait_until(NULL, 0, in_time ? end_ns : deadline_ns);

	return r == 0 && !in_time ? -ETIMEDOUT : r;
}

void kf_stop_reset_child(void)
{
	struct sigaction old;
	sigset_t none;

	for (size_t i = 0; i < KF_ARRAY_SIZE(stop_signals); i++)
		if (sigaction(stop_signals[i], NULL, &old) == 0 && old.sa_handler == remember)
			signal(stop_signals[i], SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
