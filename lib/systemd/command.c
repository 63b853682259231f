/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stop signals are blocked while we are here, and read as messages: only they tell whether
 * the terminal sent them (to the whole group) or somebody with kill(2) (to us alone).
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "systemd/command.h"

/* The signals that kf_stop_install() blocked; signals that our caller ignores stay ignored. */
static int open_signals(void)
{
	static const int all[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t blocked, ours;

	sigprocmask(SIG_BLOCK, NULL, &blocked);
	sigemptyset(&ours);
	for (size_t i = 0; i < KF_ARRAY_SIZE(all); i++)
		if (sigismember(&blocked, all[i]) == 1)
			sigaddset(&ours, all[i]);
	return signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
}

/*
 * Ctrl-C and Ctrl-\ go to all of the terminal's foreground group, so the command has them; a
 * process that it left behind may be in another group. A hang-up goes to the session's leader
 * alone, which may be us.
 */
static bool from_keyboard(const struct signalfd_siginfo *info)
{
	return info->ssi_code == SI_KERNEL &&
	       (info->ssi_signo == SIGINT || info->ssi_signo == SIGQUIT);
}

/* Receive pending signals: remember the first, pass on each. Returns whether there was one. */
static bool take_signals(int fd, pid_t pid, const struct kf_command *command,
			 struct kf_command_end *end)
{
	struct signalfd_siginfo info;
	bool any = false;

	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		any = true;
		if (end->signal == 0) {
			end->signal = (int)info.ssi_signo;
			command->told(end->signal, false);
		}
		if (!from_keyboard(&info) || getpgid(pid) != getpgrp())
			kf_process_signal(pid, (int)info.ssi_signo);
	}
	return any;
}

/*
 * Wait until the command, or a process that it left behind, has ended; the caller then reaps it. A
 * signal that came before goes to this process, too.
 */
static void attend(pid_t pid, int sigfd, const struct kf_command *command,
		   struct kf_command_end *end)
{
	_cleanup_(kf_closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN },
				{ .fd = sigfd, .events = POLLIN } };
	int64_t deadline_ms = KF_FOREVER;
	int n;

	if (pidfd < 0)
		return;
	if (end->signal) {
		kf_process_signal(pid, end->signal);
		deadline_ms = kf_now_ms() + command->grace_ms;
	}
	do {
		n = kf_wait_through(fds, KF_ARRAY_SIZE(fds), deadline_ms);
		if (n == 0) {
			command->told(end->signal, true);
			kf_process_signal(pid, SIGKILL);
			deadline_ms = KF_FOREVER;
			fds[1].fd = -1; /* nothing more to pass on */
		}
		/* A terminal's signal may have ended the command: look also when it is gone. */
		if (n > 0 && take_signals(sigfd, pid, command, end) && deadline_ms == KF_FOREVER)
			deadline_ms = kf_now_ms() + command->grace_ms;
	} while (n >= 0 && !(fds[0].revents & POLLIN));
}

static int reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* The processes that a killed command has left behind are our children now. */
static void attend_left(int sigfd, const struct kf_command *command, struct kf_command_end *end)
{
	pid_t pid;

	while ((pid = kf_process_child())) {
		command->left(command->argv[0], pid);
		attend(pid, sigfd, command, end);
		reap(pid);
	}
}

/* The command runs on our descriptors and in our process group. */
static struct kf_process process_of(const struct kf_command *command)
{
	return (struct kf_process){
		.argv = command->argv,
		.in = 0,
		.out = 1,
		.err = 2,
		.keep = command->keep,
		.foreground = true,
	};
}

int kf_command_run(const struct kf_command *command, struct kf_command_end *ret,
		   struct kf_error *err)
{
	_cleanup_(kf_closep) int sigfd = open_signals();
	const struct kf_process process = process_of(command);
	struct kf_command_end end = { 0 };
	pid_t pid;
	int r;

	if (sigfd < 0)
		return kf_fail_sys(err, errno, "signals");
	r = kf_wait(NULL, 0, 0);
	if (r < 0)
		return kf_fail_sys(err, -r, "%s: not started", command->argv[0]);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = kf_process_start(&process, &pid, err);
	if (r < 0)
		return r;
	attend(pid, sigfd, command, &end);
	end.status = reap(pid);
	if (WIFSIGNALED(end.status))
		attend_left(sigfd, command, &end);
	*ret = end;
	return 0;
}
