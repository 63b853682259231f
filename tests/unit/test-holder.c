/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A pty stands in for a port, a child of ours for whoever holds it. */
#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "core/process.h"
#include "core/text.h"
#include "flash/hold.h"
#include "unit/machine.h"
#include "usb/holder.h"

static void release(pid_t pid)
{
	if (kf_process_signal(pid, SIGKILL) == 0)
		waitpid(pid, NULL, 0);
}

/* A child that has path open, and says so, until it is killed; -1: it has none. */
static pid_t hold(const char *path, const char *comm)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready) < 0 || (pid = fork()) < 0)
		return -1;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, comm);
		int fd = open(path, O_RDWR | O_NOCTTY);

		if (fd >= 0 && flock(fd, LOCK_EX) == 0 && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1) {
		release(pid);
		pid = -1;
	}
	close(ready[0]);
	return pid;
}

TEST(finds_the_process_that_holds_a_port)
{
	struct kf_board boards[4] = { 0 };
	int held, idle, ours;
	pid_t pid;

	NEED_PTY();
	NEED_PROC();
	held = posix_openpt(O_RDWR | O_NOCTTY);
	idle = posix_openpt(O_RDWR | O_NOCTTY);
	CHECK(grantpt(held) == 0 && unlockpt(held) == 0 && grantpt(idle) == 0 &&
	      unlockpt(idle) == 0);
	for (size_t i = 0; i < KF_ARRAY_SIZE(boards); i++)
		boards[i].connected = true;
	CHECK(ptsname_r(held, boards[0].tty, sizeof(boards[0].tty)) == 0);
	CHECK(ptsname_r(idle, boards[1].tty, sizeof(boards[1].tty)) == 0);
	kf_text_format(boards[2].tty, sizeof(boards[2].tty), "/dev/no-such-port");
	boards[3].holder.pid = 1; /* in DFU: what it says now is stale */

	pid = hold(boards[0].tty, "kl\033ppy");
	CHECK(pid > 0);
	ours = open(boards[1].tty, O_RDWR | O_NOCTTY);
	CHECK(ours >= 0);
	kf_holders_find(boards, KF_ARRAY_SIZE(boards));
	CHECK(boards[0].holder.pid == pid);
	CHECK_STR(boards[0].holder.command, "kl?ppy");
	for (size_t i = 1; i < KF_ARRAY_SIZE(boards); i++)
		CHECK(boards[i].holder.pid == 0);

	release(pid);
	kf_holders_find(boards, KF_ARRAY_SIZE(boards));
	CHECK(boards[0].holder.pid == 0);
	CHECK_STR(boards[0].holder.command, "");
	close(held);
	close(idle);
	close(ours);
}

/* We cannot see the open files of root's login. So this process has none open. */
TEST(finds_the_process_whose_terminal_a_uart_is)
{
	struct kf_board boards[2] = { { .connected = true, .link.type = KF_WIRE_UART },
				      { .connected = true } };
	int port, ready[2];
	pid_t pid;
	char c;

	NEED_PTY();
	NEED_PROC();
	/* A container's own devpts has terminals of the same numbers: find a free one. */
	do {
		port = posix_openpt(O_RDWR | O_NOCTTY);
		CHECK(grantpt(port) == 0 && unlockpt(port) == 0);
		for (size_t i = 0; i < KF_ARRAY_SIZE(boards); i++)
			CHECK(ptsname_r(port, boards[i].tty, sizeof(boards[i].tty)) == 0);
		kf_holders_find(boards, KF_ARRAY_SIZE(boards));
	} while (boards[0].holder.pid);
	CHECK(pipe(ready) == 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "a) getty (b");
		setsid();
		if (close(open(boards[0].tty, O_RDWR)) == 0 && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	CHECK(read(ready[0], &c, 1) == 1);
	kf_holders_find(boards, KF_ARRAY_SIZE(boards));
	CHECK(boards[0].holder.pid == pid);
	CHECK_STR(boards[0].holder.command, "a) getty (b");
	CHECK(boards[1].holder.pid == 0);
	release(pid);
	close(port);
	close(ready[0]);
}

/* klipper's lock of one port says that it has not the other. */
TEST(finds_the_lock_of_another_port)
{
	int held = posix_openpt(O_RDWR | O_NOCTTY), idle = posix_openpt(O_RDWR | O_NOCTTY);
	char held_path[64], idle_path[64];
	pid_t pid;

	if (access("/proc/locks", R_OK) < 0 || held < 0 || idle < 0)
		SKIP("no /proc/locks, or no pty");
	CHECK(grantpt(held) == 0 && unlockpt(held) == 0 && grantpt(idle) == 0 &&
	      unlockpt(idle) == 0);
	CHECK(ptsname_r(held, held_path, sizeof(held_path)) == 0);
	CHECK(ptsname_r(idle, idle_path, sizeof(idle_path)) == 0);
	pid = hold(held_path, "klippy");
	CHECK(kf_holder_elsewhere(pid, idle_path));
	CHECK(!kf_holder_elsewhere(pid, held_path));
	CHECK(!kf_holder_elsewhere(pid, "/dev/no-such-port"));
	CHECK(!kf_holder_elsewhere(getpid(), idle_path));
	CHECK(!kf_holder_hidden(getpid()) && !kf_holder_hidden(pid));
	release(pid);
	CHECK(!kf_holder_elsewhere(pid, idle_path));
	close(held);
	close(idle);
}

TEST(names_the_user_of_a_process)
{
	struct kf_holder_facts facts;
	struct kf_holder holder;
	int go[2];
	pid_t pid;

	if (getuid() != 0)
		SKIP("only root can become somebody else");
	CHECK(pipe(go) == 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setuid(65534) == 0 && write(go[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(go[1]);
	CHECK(read(go[0], &(char){ 0 }, 1) == 1);
	holder = kf_holder_of(pid);
	CHECK(holder.pid == pid && holder.command[0]);
	kf_holder_find_facts(&holder, &facts);
	CHECK_STR(facts.owner, "nobody");
	release(pid);
	holder = kf_holder_of(getpid());
	kf_holder_find_facts(&holder, &facts);
	CHECK_STR(facts.owner, "");
	close(go[0]);
}

TEST(a_login_on_the_port_is_to_be_disabled)
{
	const struct kf_board board = { .tty = "/dev/ttyAMA0",
					.holder = { .pid = getpid(),
						    .command = "agetty",
						    .unit = "serial-getty@ttyAMA0.service" } };
	struct kf_error err;

	CHECK(kf_hold_busy(&board, &err) == -EBUSY);
	CHECK_STR(err.hint, "it is a login for people on this port: sudo systemctl disable --now "
			    "serial-getty@ttyAMA0.service");
}

TEST(no_boards)
{
	kf_holders_find(NULL, 0);
}

TEST_MAIN(T(finds_the_process_that_holds_a_port), T(finds_the_process_whose_terminal_a_uart_is),
	  T(finds_the_lock_of_another_port), T(names_the_user_of_a_process),
	  T(a_login_on_the_port_is_to_be_disabled), T(no_boards))
