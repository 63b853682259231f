/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sudo runs as root, so we cannot kill it: a deadline or a stop signal leaves it behind,
 * and what it was asked for may happen yet. It has no terminal to ask anything on.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/process.h"
#include "core/text.h"
#include "systemd/systemctl.h"

enum { OUTPUT_SIZE = 4096 };

struct output {
	char text[OUTPUT_SIZE]; /* both streams; what does not fit is dropped */
	size_t len;
	int status; /* as a shell shows it */
};

/* Read fd to its end: when the last process that writes there has ended. */
static int drain(int fd, const struct kf_patience *patience, struct output *out)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char buf[512];
	ssize_t n;
	size_t fits;
	int r;

	for (;;) {
		r = kf_wait_patiently(patience, &pfd, 1, KF_FOREVER);
		if (r <= 0)
			return r < 0 ? r : -ETIMEDOUT;
		n = read(fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		fits = sizeof(out->text) - 1 - out->len;
		if ((size_t)n < fits)
			fits = (size_t)n;
		memcpy(out->text + out->len, buf, fits);
		out->len += fits;
	}
}

static int run(const char *const *argv, const struct kf_patience *patience, struct output *ret,
	       struct kf_error *err)
{
	static const char *const env[] = { "LC_ALL=C", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=", NULL };
	_cleanup_(kf_closep) int from = -1, to = -1;
	struct kf_process p = { .argv = argv, .env = env, .in = -1 };
	int fds[2], status, r;
	pid_t pid;

	*ret = (struct output){ 0 };
	if (pipe2(fds, O_CLOEXEC) < 0)
		return kf_fail_sys(err, errno, "%s", argv[0]);
	from = fds[0];
	p.out = p.err = to = fds[1];
	r = kf_process_start(&p, &pid, err);
	if (r < 0)
		return r;
	kf_closep(&to);
	r = drain(from, patience, ret);
	if (r < 0) {
		kf_group_signal(pid, SIGTERM);
		waitpid(pid, NULL, WNOHANG);
		if (r == -ETIMEDOUT)
			return kf_fail(err, KF_TIMEOUT, "%s did not end in time", argv[0]);
		return r == -EINTR ? kf_fail(err, KF_INTERRUPTED, "%s: interrupted", argv[0])
				   : kf_fail_sys(err, -r, "%s", argv[0]);
	}
	/* It closed its output as it ended, so this does not take long. */
	while ((r = (int)waitpid(pid, &status, 0)) < 0 && errno == EINTR)
		;
	ret->status = r < 0 ? 255 : kf_process_status(status);
	return 0;
}

/* The last line that says something. */
static void last_line(const struct output *out, char *ret, size_t size)
{
	size_t end = out->len, start;

	while (end > 0 && strchr("\r\n ", out->text[end - 1]))
		end--;
	for (start = end; start > 0 && out->text[start - 1] != '\n'; start--)
		;
	kf_text_clean(ret, size, out->text + start, end - start);
}

/* sudo's own refusals begin with its name, or speak of sudoers or of what is not allowed. */
static bool refused(const char *line)
{
	return strncmp(line, "sudo: ", 6) == 0 || strncmp(line, "Sorry, ", 7) == 0 ||
	       strstr(line, "sudoers") || strstr(line, "not allowed to");
}

/* Run argv (sudo -n ..., which root does not need); a status other than 0 is an error. */
static int run_sudo(const char *const *argv, const struct kf_patience *patience, struct output *ret,
		    struct kf_error *err)
{
	char line[256];
	bool root = geteuid() == 0;
	int r;

	if (!root && !kf_process_exists("sudo"))
		return kf_fail(err, KF_PERMISSION, "there is no sudo");
	r = run(argv + (root ? 2 : 0), patience, ret, err);
	if (r < 0 || ret->status == 0)
		return r;
	last_line(ret, line, sizeof(line));
	if (!root && refused(line))
		return kf_fail(err, KF_PERMISSION, "%s", line);
	return kf_fail(err, KF_SERVICE, "%s says: %s", argv[2], line[0] ? line : "nothing");
}

static int systemctl(const char *const *args, size_t count, const struct kf_patience *patience,
		     struct output *ret, struct kf_error *err)
{
	const char *argv[8] = { "sudo", "-n", "systemctl" };

	memcpy(argv + 3, args, count * sizeof(*args));
	return run_sudo(argv, patience, ret, err);
}

int kf_sudo(const char *const *argv, const struct kf_patience *patience, char *ret, size_t size,
	    struct kf_error *err)
{
	struct output out;
	int r;

	r = run_sudo(argv, patience, &out, err);
	if (r == 0)
		last_line(&out, ret, size);
	return r;
}

int kf_systemctl_job(const char *verb, const char *unit, const struct kf_patience *patience,
		     struct kf_error *err)
{
	const char *const args[] = { verb, unit };
	struct output out;

	return systemctl(args, KF_ARRAY_SIZE(args), patience, &out, err);
}

bool kf_sudo_may(const char *const *argv, const struct kf_patience *patience)
{
	struct output out;

	return kf_process_exists("sudo") && run(argv, patience, &out, NULL) == 0 && out.status == 0;
}

bool kf_systemctl_may(const char *verb, const char *unit, const struct kf_patience *patience)
{
	const char *const argv[] = { "sudo", "-n", "-l", "systemctl", verb, unit, NULL };

	return kf_sudo_may(argv, patience);
}

int kf_systemctl_state(const char *unit, const struct kf_patience *patience,
		       struct kf_unit_state *ret, struct kf_error *err)
{
	const char *const args[] = {
		"show",
		"--property=LoadState,ActiveState,SubState,UnitFileState,Description,Result,"
		"MainPID,CanStart,Transient,Id,OnSuccessOf,RequiredBy,RequisiteOf,BoundBy,"
		"ConsistsOf,PropagatesStopTo",
		unit,
	};
	struct kf_unit_state state = { 0 };
	char *line, *next, *value;
	struct output out;
	int r;

	r = systemctl(args, KF_ARRAY_SIZE(args), patience, &out, err);
	if (r < 0)
		return r;
	for (line = out.text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		value = strchr(line, '=');
		if (!value)
			continue;
		*value++ = '\0';
		kf_unit_state_set(&state, line, value);
	}
	if (!state.active[0])
		return kf_fail(err, KF_SERVICE, "systemctl show tells no state");
	*ret = state;
	return 0;
}
