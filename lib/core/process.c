/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fork and exec, seen by the parent: an exec that fails reports its errno through a
 * close-on-exec pipe before kf_process_start returns. Unless it is to stay in the
 * foreground, a child leads a process group of its own, so that a timeout ends all of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/process.h"
#include "core/text.h"

enum { GRACE_MS = 2000 };

/* Put fd (or /dev/null) on target. Both above 2, or already in place. */
static int place(int fd, int target)
{
	if (fd < 0)
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd == target)
		return fcntl(fd, F_SETFD, 0);
	return fd < 0 ? -1 : dup2(fd, target);
}

/* A duplicate above 2, so that placing 0, 1, 2 in turn cannot overwrite a source. */
static int lift(int fd)
{
	return fd >= 0 && fd <= 2 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : fd;
}

static bool runnable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool kf_process_find(const char *program, char ret[PATH_MAX])
{
	const char *path = getenv("PATH"), *folder;

	if (strchr(program, '/'))
		return kf_text_format(ret, PATH_MAX, "%s", program) && runnable(ret);
	while ((folder = path) && *folder) {
		path = strchrnul(folder, ':');
		if (folder[0] == '/' &&
		    kf_text_format(ret, PATH_MAX, "%.*s/%s", (int)(path - folder), folder,
				   program) &&
		    runnable(ret))
			return true;
		path += *path == ':';
	}
	return false;
}

static void child(const struct kf_process *p, const char *program, int report)
{
	int in, out, err, e;

	in = lift(p->in);
	out = lift(p->out);
	err = lift(p->err);
	if (!p->foreground)
		setpgid(0, 0);
	if (p->private)
		umask(077);
	if (place(in, 0) < 0 || place(out, 1) < 0 || place(err, 2) < 0)
		goto fail;
	for (const int *fd = p->keep; fd && *fd >= 0; fd++)
		if (fcntl(*fd, F_SETFD, 0) < 0)
			goto fail;
	if (p->dir && chdir(p->dir) < 0)
		goto fail;
	for (const char *const *v = p->env; v && *v; v++) {
		if (strchr(*v, '='))
			putenv((char *)*v);
		else
			unsetenv(*v);
	}
	kf_stop_reset_child();
	execvp(program, (char *const *)p->argv); /* also a script without "#!" */
fail:
	e = errno;
	while (write(report, &e, sizeof(e)) < 0 && errno == EINTR)
		;
	_exit(127);
}

/* Read the child's report: nothing if it has become the program, else the errno of exec. */
static int started(const struct kf_process *p, pid_t pid, int report, struct kf_error *err)
{
	int e = 0;
	ssize_t n;

	do
		n = read(report, &e, sizeof(e));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(e))
		return 0;
	waitpid(pid, NULL, 0);
	return kf_fail_sys(err, e, "%s: cannot start", p->argv[0]);
}

int kf_process_start(const struct kf_process *p, pid_t *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int from = -1;
	const char *program = p->argv[0];
	char path[PATH_MAX];
	int report[2], e, r;
	pid_t pid;

	if (!strchr(program, '/') && !kf_process_find(program, path))
		return kf_fail_sys(err, ENOENT, "%s: cannot start", program);
	if (pipe2(report, O_CLOEXEC) < 0)
		return kf_fail_sys(err, errno, "%s: cannot start", p->argv[0]);
	from = report[0];
	pid = fork();
	if (pid == 0)
		child(p, strchr(program, '/') ? program : path, report[1]);
	e = errno;
	close(report[1]);
	if (pid < 0)
		return kf_fail_sys(err, e, "%s: cannot start", p->argv[0]);
	r = started(p, pid, from, err);
	if (r == 0)
		*ret = pid;
	return r;
}

int kf_process_signal(pid_t pid, int sig)
{
	if (pid <= 1)
		return -EINVAL;
	return kill(pid, sig) < 0 ? -errno : 0;
}

int kf_group_signal(pid_t leader, int sig)
{
	if (leader <= 1)
		return -EINVAL;
	return kill(-leader, sig) < 0 ? -errno : 0;
}

/* Signal the group of the process if it leads one, else the process. */
static void send_signal(pid_t pid, int sig)
{
	if (getpgid(pid) == pid)
		kf_group_signal(pid, sig);
	else
		kf_process_signal(pid, sig);
}

static int reap(pid_t pid, int *ret)
{
	pid_t r;

	do
		r = waitpid(pid, ret, 0);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* Wait on the pidfd; a stop signal that came before does not end this one. */
static bool ended_within(int pidfd, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	return kf_wait_through(&pfd, 1, deadline_ms) > 0;
}

static void end(pid_t pid, int pidfd)
{
	send_signal(pid, SIGTERM);
	if (!ended_within(pidfd, kf_now_ms() + GRACE_MS))
		send_signal(pid, SIGKILL);
	else if (getpgid(pid) == pid)
		kf_group_signal(pid, SIGKILL); /* also the processes that it left behind */
}

/* End and reap it, and the processes that it left in its group, also if it has ended itself. */
static void abandon(pid_t pid)
{
	_cleanup_(kf_closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int status;

	end(pid, pidfd);
	reap(pid, &status);
}

int kf_process_wait(pid_t pid, int64_t deadline_ms, int *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	int n, r;

	if (pidfd < 0)
		return kf_fail_sys(err, errno, "process %d: cannot wait", (int)pid);
	n = kf_wait(&pfd, 1, deadline_ms);
	if (n <= 0)
		end(pid, pidfd);
	r = reap(pid, ret);
	if (n < 0)
		return kf_fail_sys(err, -n, "process %d", (int)pid);
	if (n == 0)
		return kf_fail(err, KF_TIMEOUT, "process %d took too long and was ended", (int)pid);
	return r < 0 ? kf_fail_sys(err, -r, "process %d: cannot wait", (int)pid) : 0;
}

void kf_process_wait_out(pid_t pid, int *ret)
{
	_cleanup_(kf_closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	if (pidfd >= 0 && kf_wait(&pfd, 1, KF_FOREVER) == -EINTR)
		kf_process_signal(pid, kf_stop_signal());
	while (waitpid(pid, ret, 0) < 0 && errno == EINTR)
		;
}

int kf_process_run(const struct kf_process *p, int64_t deadline_ms, int *ret, struct kf_error *err)
{
	pid_t pid;
	int r;

	r = kf_process_start(p, &pid, err);
	if (r < 0)
		return r;
	r = kf_process_wait(pid, deadline_ms, ret, err);
	if (r < 0)
		kf_error_prefix(err, "%s", p->argv[0]);
	return r;
}

/* Read fd to its end or to max_bytes. */
static int collect(int fd, int64_t deadline_ms, size_t max_bytes, char *text, size_t *ret_len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t n;
	int r;

	for (;;) {
		r = kf_wait(&pfd, 1, deadline_ms);
		if (r <= 0)
			return r < 0 ? r : -ETIMEDOUT;
		n = read(fd, text + len, max_bytes - len + 1);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
		if (len > max_bytes)
			return -EFBIG;
	}
	*ret_len = len;
	return 0;
}

int kf_output_start(const struct kf_process *p, struct kf_output *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int from = -1, to = -1;
	struct kf_process copy = *p;
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return kf_fail_sys(err, errno, "%s", p->argv[0]);
	from = fds[0];
	copy.out = to = fds[1];
	r = kf_process_start(&copy, &pid, err);
	if (r < 0)
		return r;
	*ret = (struct kf_output){ .pid = pid, .from = TAKE_FD(from), .name = p->argv[0] };
	return 0;
}

/* Close the pipe; the pid is the caller's to wait for. */
static pid_t close_output(struct kf_output *output)
{
	pid_t pid = output->pid;

	output->pid = 0;
	kf_closep(&output->from);
	return pid;
}

int kf_output_read(struct kf_output *output, int64_t deadline_ms, size_t max_bytes, char **ret_text,
		   struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = malloc(max_bytes + 1);
	int r = -ENOMEM, status = 0;
	size_t len = 0;

	if (text)
		r = collect(output->from, deadline_ms, max_bytes, text, &len);
	if (r < 0) {
		abandon(close_output(output));
		return kf_fail_sys(err, -r, "%s: cannot read its output", output->name);
	}
	r = kf_process_wait(close_output(output), deadline_ms, &status, err);
	if (r < 0)
		return r;
	if (status != 0)
		return kf_fail(err, KF_IO, "%s ended with status %d", output->name,
			       kf_process_status(status));
	text[len] = '\0';
	*ret_text = TAKE_PTR(text);
	return 0;
}

void kf_output_cancel(struct kf_output *output)
{
	if (output->pid)
		abandon(close_output(output));
}

int kf_process_output(const struct kf_process *p, int64_t deadline_ms, size_t max_bytes,
		      char **ret_text, struct kf_error *err)
{
	struct kf_output output;
	int r = kf_output_start(p, &output, err);

	return r < 0 ? r : kf_output_read(&output, deadline_ms, max_bytes, ret_text, err);
}

size_t kf_process_read(pid_t pid, const char *name, char *dst, size_t size)
{
	_cleanup_(kf_closep) int fd = -1;
	size_t len = 0;
	char path[64];
	ssize_t n;

	kf_text_format(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	do {
		n = fd < 0 ? -1 : read(fd, dst + len, size - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && len < size - 1);
	dst[len] = '\0';
	return len;
}

pid_t kf_process_next(DIR *proc)
{
	const struct dirent *entry;

	while (proc && (entry = readdir(proc)))
		if (!entry->d_name[strspn(entry->d_name, "0123456789")])
			return (pid_t)strtol(entry->d_name, NULL, 10);
	return 0;
}

/* Is its parent this process, and has it not ended? "PID (COMMAND) STATE PPID ...", proc(5). */
static bool is_child(pid_t pid)
{
	char stat[512];
	const char *state;

	kf_process_read(pid, "stat", stat, sizeof(stat));
	state = strrchr(stat, ')');
	return state && strlen(state) > 4 && !strchr("ZX", state[2]) &&
	       strtol(state + 4, NULL, 10) == getpid();
}

pid_t kf_process_child(void)
{
	_cleanup_(kf_closedirp) DIR *proc = opendir("/proc");
	pid_t pid;

	while ((pid = kf_process_next(proc)) && !is_child(pid))
		;
	return pid;
}

int kf_process_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

bool kf_process_exists(const char *program)
{
	char path[PATH_MAX];

	return kf_process_find(program, path);
}

int kf_process_missing(const char *what, const char *use, const char *packages,
		       struct kf_error *err)
{
	kf_fail(err, KF_NO_TOOLCHAIN, "%s is missing; %s", what, use);
	return kf_error_hint(err, "sudo apt-get install %s", packages);
}
