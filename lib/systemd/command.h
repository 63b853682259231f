/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Runs a command on our descriptors and in our process group, and waits for its end to clean up.
 * Signals that we get are passed on to it.
 */
#ifndef KF_SYSTEMD_COMMAND_H
#define KF_SYSTEMD_COMMAND_H

#include "core/process.h"

struct kf_command {
	const char *const *argv; /* NULL-terminated */
	const int *keep;	 /* descriptors that it inherits, -1-terminated, or NULL */
	int64_t grace_ms;	 /* from a stop signal until it is killed */
	/* Called when a stop signal came; killed: and grace_ms have passed since. For a phase
	 * line. */
	void (*told)(int sig, bool killed);
	/* Called for each process that a killed command has left behind, before the wait for it. */
	void (*left)(const char *program, pid_t pid);
};

struct kf_command_end {
	int status; /* wait(2)'s */
	int signal; /* the first stop signal that we got meanwhile, or 0 */
};

/*
 * Run it to its end. If a signal killed it, the processes that it has left behind may work on a
 * board still: they are waited for too. Needs kf_stop_install(). SIGINT, SIGTERM, SIGHUP and
 * SIGQUIT are passed on, but for those from the keyboard, which all of our group has got already;
 * when grace_ms have passed it gets SIGKILL. -EINTR: such a signal came before it was started. Else
 * errors are those of kf_process_start.
 */
_must_check_ int kf_command_run(const struct kf_command *command, struct kf_command_end *ret,
				struct kf_error *err);

#endif
