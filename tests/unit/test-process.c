/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Other programs: started, timed, and never left behind. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/clock.h"
#include "core/process.h"
#include "unit/machine.h"
#include "unit/temp.h"

#define SHELL(script)                                                                              \
	(const char *const[])                                                                      \
	{                                                                                          \
		"sh", "-c", script, NULL                                                           \
	}
#define PLAIN(...)                                                                                 \
	{                                                                                          \
		.in = -1, .out = -1, .err = -1, __VA_ARGS__                                        \
	}

static void outputs(const struct kf_process *p, const char *want)
{
	_cleanup_(kf_freep) char *text = NULL;
	struct kf_error err = { 0 };

	CHECK(kf_process_output(p, kf_now_ms() + 10000, 4096, &text, &err) == 0);
	CHECK_STR(err.message, "");
	CHECK_STR(text ? text : "(nothing)", want);
}

/* A pipe's end as the only thing that a whole family of processes shares: EOF when all are gone. */
static bool all_gone(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char c;

	return kf_wait_through(&pfd, 1, kf_now_ms() + 5000) > 0 && read(fd, &c, 1) == 0;
}

TEST(run_returns_the_status)
{
	struct kf_process p = PLAIN(.argv = SHELL("exit 7"));
	int status = 0;

	CHECK(kf_process_run(&p, kf_now_ms() + 10000, &status, NULL) == 0);
	CHECK(kf_process_status(status) == 7);
	p.argv = SHELL("kill -KILL $$");
	CHECK(kf_process_run(&p, kf_now_ms() + 10000, &status, NULL) == 0);
	CHECK(kf_process_status(status) == 128 + SIGKILL);
}

/* Echoes each byte until it is killed. */
static void echo(int in, int out)
{
	char c;

	while (read(in, &c, 1) == 1 && write(out, &c, 1) == 1)
		;
	_exit(0);
}

static bool answers(int to, int from)
{
	char c = 'x';

	return write(to, &c, 1) == 1 && read(from, &c, 1) == 1 && c == 'x';
}

/* In the namespace, not as its first process, which signals do not reach. */
static int signal_wrong_pids(void)
{
	static const pid_t wrong[] = { INT_MIN, -2, -1, 0, 1 };
	int to[2], from[2], status = 0;
	pid_t pid;

	signal(SIGPIPE, SIG_IGN);
	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		return 1;
	pid = fork();
	if (pid == 0) {
		close(to[1]);
		echo(to[0], from[1]);
	}
	close(from[1]);
	for (size_t i = 0; i < KF_ARRAY_SIZE(wrong); i++)
		if (kf_process_signal(wrong[i], SIGKILL) != -EINVAL ||
		    kf_group_signal(wrong[i], SIGKILL) != -EINVAL || !answers(to[1], from[0]))
			return 2;
	if (kf_process_signal(pid, 0) != 0 || kf_group_signal(pid, SIGKILL) != -ESRCH ||
	    !answers(to[1], from[0]))
		return 3;
	if (kf_process_signal(pid, SIGKILL) != 0 || waitpid(pid, &status, 0) != pid ||
	    !WIFSIGNALED(status) || kf_process_signal(pid, 0) != -ESRCH)
		return 4;
	return 0;
}

static int status_of(pid_t pid)
{
	int status = -1;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/*
 * As root, kill(2) of -1 ends the whole machine, and of 0 whoever runs the tests: both are tried in
 * a PID namespace and a session of their own.
 */
TEST(no_signal_for_all_for_our_group_or_for_init)
{
	enum { NO_NAMESPACE = 77 };
	pid_t pid, first, other;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setsid();
		if (unshare((geteuid() == 0 ? 0 : CLONE_NEWUSER) | CLONE_NEWPID) < 0)
			_exit(NO_NAMESPACE);
		first = fork();
		if (first == 0) {
			other = fork();
			_exit(other == 0 ? signal_wrong_pids() : status_of(other));
		}
		_exit(first < 0 ? NO_NAMESPACE : status_of(first));
	}
	status = status_of(pid);
	if (status == NO_NAMESPACE)
		SKIP("no PID namespace can be made here");
	CHECK(status == 0);
}

TEST(a_failed_exec_is_an_error)
{
	struct kf_process p = PLAIN(.argv = (const char *const[]){ "no-such-program", NULL });
	struct kf_error err;
	pid_t pid = -7;

	CHECK(kf_process_start(&p, &pid, &err) == -ENOENT);
	CHECK_STR(err.message, "no-such-program: cannot start: No such file or directory");
	p.argv = (const char *const[]){ "/etc/passwd", NULL };
	CHECK(kf_process_start(&p, &pid, &err) == -EACCES);
	p.argv = (const char *const[]){ "true", NULL };
	p.dir = "/no/such/folder";
	CHECK(kf_process_start(&p, &pid, &err) == -ENOENT);
	CHECK(pid == -7);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0); /* no zombie is left */
}

/* Runs as an ordinary user, with another user's folder in PATH; 0, or the number of the wrong case.
 */
static int start_with_foreign_path(const char *foreign)
{
	struct kf_process p = PLAIN(.argv = (const char *const[]){ "no-such-program", NULL });
	const char *old = getenv("PATH");
	char path[2 * PATH_MAX];
	int status;
	pid_t pid;

	if (geteuid() == 0 && setuid(65534) < 0)
		return 1;
	kf_text_format(path, sizeof(path), "%s:%s", foreign, old ? old : "/usr/bin:/bin");
	setenv("PATH", path, 1);
	if (access(foreign, X_OK) == 0 || kf_process_start(&p, &pid, NULL) != -ENOENT)
		return 2;
	p.argv = (const char *const[]){ "true", NULL };
	if (kf_process_run(&p, kf_now_ms() + 10000, &status, NULL) < 0 || status != 0)
		return 3;
	setenv("PATH", "/etc", 1);
	p.argv = (const char *const[]){ "passwd", NULL };
	return kf_process_start(&p, &pid, NULL) == -ENOENT ? 0 : 4; /* not executable */
}

TEST(a_program_that_is_nowhere_in_a_path_that_is_not_all_ours)
{
	const char *foreign = temp_path("foreign");
	pid_t pid;

	CHECK(mkdir(foreign, 0) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(start_with_foreign_path(foreign));
	CHECK(status_of(pid) == 0);
	CHECK(chmod(foreign, 0700) == 0);
}

TEST(folder_environment_and_descriptors)
{
	struct kf_process p = PLAIN(.argv = SHELL("pwd; echo $A-${B-unset}"), .dir = "/");

	setenv("B", "b", 1);
	p.env = (const char *const[]){ "A=a b", "B", NULL };
	outputs(&p, "/\na b-unset\n");
	CHECK_STR(getenv("B"), "b");
	p.argv = SHELL("cat; echo to stderr >&2"); /* 0 and 2 are /dev/null */
	outputs(&p, "");
}

TEST(only_named_descriptors_survive)
{
	int keep[] = { -1, -1 }, secret;
	struct kf_process p = PLAIN(.keep = keep);
	char script[128];

	NEED_PROC();
	secret = open("/dev/null", O_RDONLY | O_CLOEXEC);
	keep[0] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	kf_text_format(script, sizeof(script),
		       "readlink /proc/self/fd/%d; readlink /proc/self/fd/%d", keep[0], secret);
	p.argv = SHELL(script);
	{
		_cleanup_(kf_freep) char *text = NULL;

		CHECK(kf_process_output(&p, kf_now_ms() + 10000, 4096, &text, NULL) == -EIO);
	}
	kf_text_format(script, sizeof(script), "readlink /proc/self/fd/%d", keep[0]);
	outputs(&p, "/dev/zero\n");
	close(keep[0]);
	close(secret);
}

TEST(descriptors_may_stand_in_each_others_place)
{
	int fds[2], status;
	struct kf_process p = PLAIN(.argv = SHELL("echo out; echo err >&2"));
	char got[16] = "";

	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	p.err = fds[1];
	p.out = fds[1];
	p.in = 2;
	CHECK(kf_process_run(&p, kf_now_ms() + 10000, &status, NULL) == 0);
	CHECK(read(fds[0], got, sizeof(got) - 1) == 8);
	CHECK_STR(got, "out\nerr\n");
	close(fds[0]);
	close(fds[1]);
}

/* A shell, its child and its grandchild hold the pipe; none of them ends on its own. */
static const char family[] = "sh -c 'trap \"\" TERM; sleep 60 & wait; sleep 60' & echo up; wait";

TEST(a_timeout_ends_the_whole_group)
{
	struct kf_process p = PLAIN(.argv = SHELL(family));
	int fds[2], status = 0;
	struct kf_error err;
	int64_t before;
	char up[4];
	pid_t pid;

	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	p.out = fds[1];
	CHECK(kf_process_start(&p, &pid, NULL) == 0);
	close(fds[1]);
	CHECK(read(fds[0], up, 3) == 3);
	before = kf_now_ms();
	CHECK(kf_process_wait(pid, before + 50, &status, &err) == -ETIMEDOUT);
	CHECK(err.code == KF_TIMEOUT);
	CHECK(kf_now_ms() - before >= 50);
	CHECK(WIFSIGNALED(status));
	CHECK(all_gone(fds[0]));
	close(fds[0]);
}

TEST(sigkill_follows_an_ignored_sigterm)
{
	struct kf_process p = PLAIN(.argv = SHELL("trap '' TERM; echo up; sleep 60"));
	int fds[2], status = 0;
	char up[4];
	pid_t pid;

	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	p.out = fds[1];
	CHECK(kf_process_start(&p, &pid, NULL) == 0);
	close(fds[1]);
	CHECK(read(fds[0], up, 3) == 3);
	CHECK(kf_process_wait(pid, kf_now_ms(), &status, NULL) == -ETIMEDOUT);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(all_gone(fds[0]));
	close(fds[0]);
}

TEST(output_is_bounded_in_time)
{
	/* The shell is gone at once, its child keeps standard output open. */
	struct kf_process p = PLAIN(.argv = SHELL("sleep 60 & echo $!"));
	_cleanup_(kf_freep) char *text = NULL;
	int64_t before = kf_now_ms();
	int fds[2];
	int keep[] = { -1, -1 };

	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	keep[0] = fds[1];
	p.keep = keep;
	CHECK(kf_process_output(&p, before + 200, 4096, &text, NULL) == -ETIMEDOUT);
	CHECK(kf_now_ms() - before < 5000);
	CHECK(text == NULL);
	close(fds[1]);
	CHECK(all_gone(fds[0]));
	close(fds[0]);
}

TEST(output_is_bounded_in_size)
{
	struct kf_process p = PLAIN(.argv = SHELL("printf 12345678"));
	_cleanup_(kf_freep) char *text = NULL, *none = NULL;
	struct kf_error err;

	CHECK(kf_process_output(&p, kf_now_ms() + 10000, 8, &text, NULL) == 0);
	CHECK_STR(text ? text : "", "12345678");
	CHECK(kf_process_output(&p, kf_now_ms() + 10000, 7, &none, NULL) == -EFBIG);
	p.argv = SHELL("yes");
	CHECK(kf_process_output(&p, kf_now_ms() + 10000, 1 << 16, &none, NULL) == -EFBIG);
	p.argv = SHELL("echo partial; exit 3");
	CHECK(kf_process_output(&p, kf_now_ms() + 10000, 100, &none, &err) == -EIO);
	CHECK_STR(err.message, "sh ended with status 3");
	CHECK(none == NULL);
}

/* In a child, for the handlers stay. */
TEST(a_stop_signal_ends_it)
{
	struct kf_process p = PLAIN(.argv = SHELL("sleep 60 & sleep 60"));
	int fds[2], status = -1, of_child;
	struct kf_error err;
	pid_t pid;

	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		p.out = fds[1];
		kf_stop_install();
		raise(SIGTERM);
		_exit(kf_process_run(&p, KF_FOREVER, &of_child, &err) == -EINTR &&
				      err.code == KF_INTERRUPTED && WIFSIGNALED(of_child)
			      ? 0
			      : 1);
	}
	close(fds[1]);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(all_gone(fds[0]));
	close(fds[0]);
}

TEST(programs_are_found_as_the_shell_does)
{
	CHECK(kf_process_exists("sh"));
	CHECK(kf_process_exists("/bin/sh"));
	CHECK(!kf_process_exists("no-such-program"));
	CHECK(!kf_process_exists("/etc/passwd"));
	CHECK(!kf_process_exists("/bin")); /* a folder may be entered, not run */
	setenv("PATH", "", 1);
	CHECK(!kf_process_exists("no-such-program"));
	unsetenv("PATH");
	CHECK(!kf_process_exists("sh"));
}

TEST_MAIN(T(run_returns_the_status), T(a_failed_exec_is_an_error),
	  T(a_program_that_is_nowhere_in_a_path_that_is_not_all_ours),
	  T(folder_environment_and_descriptors), T(only_named_descriptors_survive),
	  T(descriptors_may_stand_in_each_others_place), T(a_timeout_ends_the_whole_group),
	  T(sigkill_follows_an_ignored_sigterm), T(output_is_bounded_in_time),
	  T(output_is_bounded_in_size), T(a_stop_signal_ends_it),
	  T(no_signal_for_all_for_our_group_or_for_init), T(programs_are_found_as_the_shell_does))
