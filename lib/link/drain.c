/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "board/board.h"
#include "core/clock.h"
#include "core/process.h"
#include "link/drain.h"

enum {
	DRAIN_S = 5, /* a block's answer may take as long: 128 KiB are erased before it */
	END_MS = DRAIN_S * 1000 + 500,
	STOPPED_MS = 500
};

/* Close our output: its reader must not wait for this process. */
static void leave_output(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
}

pid_t kf_drain_fork(int *ret, struct kf_error *err)
{
	int link[2], e;
	sigset_t all;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) < 0)
		return kf_fail_sys(err, errno, "a second process for the port");
	pid = fork();
	e = errno;
	close(link[pid == 0 ? 0 : 1]);
	*ret = link[pid == 0 ? 1 : 0];
	if (pid == 0) {
		setsid();
		prctl(PR_SET_NAME, KF_DRAIN_COMMAND);
		leave_output();
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
	} else if (pid < 0) {
		close(*ret);
		return kf_fail_sys(err, e, "a second process for the port");
	}
	return pid;
}

/* SIGALRM kills the second process: then its close does not wait for the board. */
static void drain(int port, int link)
{
	sigset_t alarm_only;
	ssize_t n;
	char c;

	signal(SIGALRM, SIG_DFL);
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
	do
		n = read(link, &c, 1);
	while (n < 0 && errno == EINTR);
	alarm(DRAIN_S);
	while (tcdrain(port) < 0 && errno == EINTR)
		;
	/* Close the port before the other locks of this process: who waits for these finds it
	 * free. */
	close(port);
	_exit(0);
}

int kf_drain_start(int *port, struct kf_drain *ret, struct kf_error *err)
{
	int link = -1;
	pid_t pid = kf_drain_fork(&link, err);

	if (pid == 0)
		drain(*port, link);
	if (pid < 0)
		return pid;
	*ret = (struct kf_drain){ .port = *port, .pid = pid, .link = link };
	*port = -1;
	return 0;
}

/* Wait for the end of the second process. Has it ended? */
static bool await_end(const struct kf_drain *drain)
{
	struct pollfd pfd = { .fd = drain->link, .events = POLLIN };
	int n = kf_wait(&pfd, 1, kf_now_ms() + END_MS);

	if (n == -EINTR)
		n = kf_wait_through(&pfd, 1, kf_now_ms() + STOPPED_MS);
	return n > 0;
}

void kf_drain_endp(struct kf_drain *drain)
{
	if (drain->pid == 0)
		return;
	IGNORE_RESULT(ioctl(drain->port, TIOCNXCL));
	kf_closep(&drain->port);
	if (drain->discard)
		IGNORE_RESULT(kf_process_signal(drain->pid, SIGKILL));
	else
		shutdown(drain->link, SHUT_WR);
	if (drain->discard || await_end(drain))
		while (waitpid(drain->pid, NULL, 0) < 0 && errno == EINTR)
			;
	kf_closep(&drain->link);
	drain->pid = 0;
}
