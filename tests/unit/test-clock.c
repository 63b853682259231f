/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Deadlines and stop signals. Each test that installs the handlers does so in a child: what
 * they remember cannot be forgotten.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/process.h"
#include "unit/test.h"

/* Does run(), in a process of its own, return true? */
static bool in_child(bool (*run)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(run() ? 0 : 1);
	waitpid(pid, &status, 0);
	if (status != 0)
		printf("# wait status %d\n", status);
	return status == 0;
}

TEST(a_deadline_is_kept)
{
	int64_t before = kf_now_ms();

	CHECK(kf_wait(NULL, 0, before + 60) == 0);
	CHECK(kf_now_ms() - before >= 60);
	CHECK(kf_wait(NULL, 0, before) == 0); /* long past: at once */
	CHECK(kf_wait_through(NULL, 0, before) == 0);
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

TEST(a_pause_is_never_shorter_and_not_a_millisecond_longer)
{
	int64_t least_us = INT64_MAX, now_ms = kf_now_ms();

	/* On a busy machine each may take longer; one of many does not. */
	for (int i = 0; i < 500 && least_us >= 3900; i++) {
		int64_t before_us = now_us(), took_us;

		CHECK(kf_pause(3, KF_FOREVER) == 0);
		took_us = now_us() - before_us;
		if (took_us < least_us)
			least_us = took_us;
	}
	CHECK(least_us >= 3000 && least_us < 3900);
	CHECK(kf_pause(0, KF_FOREVER) == 0);
	CHECK(kf_pause(10000, now_ms + 5) == -ETIMEDOUT && kf_now_ms() >= now_ms + 5);
	CHECK(kf_pause(0, now_ms) == -ETIMEDOUT);
}

TEST(a_ready_descriptor_ends_the_wait)
{
	struct pollfd pfd = { .events = POLLIN };
	int fds[2];

	CHECK(pipe(fds) == 0);
	pfd.fd = fds[0];
	CHECK(kf_wait(&pfd, 1, kf_now_ms()) == 0);
	CHECK(write(fds[1], "x", 1) == 1);
	CHECK(kf_wait(&pfd, 1, KF_FOREVER) == 1);
	CHECK(kf_wait_through(&pfd, 1, KF_FOREVER) == 1);
	CHECK(pfd.revents == POLLIN);
	close(fds[0]);
	close(fds[1]);
}

static bool stops(void)
{
	kf_stop_install();
	if (kf_stop_signal() != 0)
		return false;
	raise(SIGTERM); /* blocked: pending until a wait */
	if (kf_stop_signal() != 0 || kf_wait(NULL, 0, KF_FOREVER) != -EINTR)
		return false;
	return kf_stop_signal() == SIGTERM;
}

TEST(a_signal_that_came_before_ends_the_wait)
{
	CHECK(in_child(stops));
}

static bool stays_stopped(void)
{
	kf_stop_install();
	raise(SIGHUP);
	alarm(5); /* ends a wait that does not */
	if (kf_wait(NULL, 0, KF_FOREVER) != -EINTR)
		return false;
	return kf_wait(NULL, 0, KF_FOREVER) == -EINTR;
}

TEST(every_later_wait_ends_at_once)
{
	CHECK(in_child(stays_stopped));
}

static bool outranks_data(void)
{
	struct pollfd pfd = { .events = POLLIN };
	int fds[2];

	kf_stop_install();
	if (pipe(fds) < 0 || write(fds[1], "x", 1) != 1)
		return false;
	pfd.fd = fds[0];
	raise(SIGINT);
	return kf_wait(&pfd, 1, KF_FOREVER) == -EINTR;
}

TEST(a_signal_outranks_a_ready_descriptor)
{
	CHECK(in_child(outranks_data));
}

static bool pays(void)
{
	int64_t before = kf_now_ms();

	kf_stop_install();
	raise(SIGINT);
	if (kf_wait_through(NULL, 0, before + 60) != 0 || kf_now_ms() - before < 60)
		return false;
	return kf_stop_signal() == 0 && kf_wait(NULL, 0, KF_FOREVER) == -EINTR;
}

TEST(wait_through_ignores_a_stop_signal)
{
	CHECK(in_child(pays));
}

static void ignore(int sig)
{
	(void)sig;
}

static bool others_pass(void)
{
	struct sigaction act = { .sa_handler = ignore };
	int64_t before = kf_now_ms();
	pid_t parent = getpid(), pid;
	bool kept;

	kf_stop_install();
	sigaction(SIGUSR1, &act, NULL);
	pid = fork();
	if (pid == 0)
		for (;;)
			if (kf_process_signal(parent, SIGUSR1) < 0 ||
			    kf_wait(NULL, 0, kf_now_ms() + 10) < 0)
				_exit(0);
	kept = kf_wait(NULL, 0, before + 80) == 0 && kf_now_ms() - before >= 80;
	kf_process_signal(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return kept;
}

TEST(other_signals_restart_the_wait)
{
	CHECK(in_child(others_pass));
}

static bool nohup(void)
{
	signal(SIGHUP, SIG_IGN);
	kf_stop_install();
	raise(SIGHUP);
	return kf_wait(NULL, 0, kf_now_ms() + 20) == 0 && kf_stop_signal() == 0;
}

TEST(ignored_signals_stay_ignored)
{
	CHECK(in_child(nohup));
}

static bool child_is_fresh(void)
{
	sigset_t blocked;
	pid_t pid;
	int status;

	signal(SIGQUIT, SIG_IGN);
	kf_stop_install();
	pid = fork();
	if (pid == 0) {
		kf_stop_reset_child();
		sigprocmask(SIG_BLOCK, NULL, &blocked);
		if (!sigisemptyset(&blocked) || signal(SIGQUIT, SIG_DFL) != SIG_IGN)
			_exit(1);
		raise(SIGTERM); /* kills, as it does any program */
		_exit(2);
	}
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGTERM;
}

TEST(a_child_starts_with_default_signals)
{
	CHECK(in_child(child_is_fresh));
}

TEST_MAIN(T(a_deadline_is_kept), T(a_pause_is_never_shorter_and_not_a_millisecond_longer),
	  T(a_ready_descriptor_ends_the_wait), T(a_signal_that_came_before_ends_the_wait),
	  T(every_later_wait_ends_at_once), T(a_signal_outranks_a_ready_descriptor),
	  T(wait_through_ignores_a_stop_signal), T(other_signals_restart_the_wait),
	  T(ignored_signals_stay_ignored), T(a_child_starts_with_default_signals))
