/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * For a systemd before 249, and for rights too narrow for a scope: a process of our own that
 * starts the units if we cannot. It shares a pipe with us and the command; its end of file
 * says that all of us are gone. It lives in a session of its own, holds nothing of ours open,
 * and before anything is stopped has found that it may start the units from there (a sudo
 * that remembers a password, for one, does so for our terminal alone).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "systemd/scope.h"
#include "systemd/systemctl.h"
#include "systemd/way.h"

enum { READY_MS = 20000, SHELTER_MS = 5000 };

struct own {
	int line; /* our end of the pipe: a byte there dismisses the sentinel */
};

/* What it reports once it stands, or does not. */
struct report {
	pid_t pid;
	bool able; /* it may start the units */
};

/* Nothing of ours: a pipe that it kept open would never end for who reads it. */
static void let_go_of_all_but(int *line, int *report)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), kept[2];

	kept[0] = fcntl(*line, F_DUPFD_CLOEXEC, 5);
	kept[1] = fcntl(*report, F_DUPFD_CLOEXEC, 5);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	dup3(kept[0], 3, O_CLOEXEC);
	dup3(kept[1], 4, O_CLOEXEC);
	close_range(5, ~0U, 0);
	*line = 3;
	*report = 4;
	if (chdir("/") < 0)
		syslog(LOG_WARNING, "cannot leave the working directory: %m");
}

/* Polkit's answer is the same for both of us, and known; sudo's may not be. */
static bool may_start_all(const struct kf_unit_hold *hold)
{
	const struct kf_patience patience = { .deadline_ms = kf_now_ms() + READY_MS };

	for (size_t i = 0; i < hold->count; i++)
		if (hold->units[i].by_sudo && geteuid() != 0 &&
		    !kf_systemctl_may("start", hold->units[i].name, &patience))
			return false;
	return true;
}

static void bring_back(const struct kf_unit_hold *hold)
{
	_cleanup_(kf_systemd_close) struct kf_systemd *systemd = NULL;
	struct kf_error err;

	if (kf_systemd_open(&systemd, &err) < 0) {
		syslog(LOG_ERR, "%s", err.message);
		return;
	}
	for (size_t i = hold->count; i-- > 0;) {
		const struct kf_held *unit = &hold->units[i];

		if (!kf_unit_is_up(&unit->before))
			continue;
		if (kf_unit_start(systemd, unit->name, kf_now_ms() + hold->options.timeout_ms,
				  &err) < 0)
			syslog(LOG_ERR, "%s", err.message);
		else
			syslog(LOG_NOTICE, "%s: started, whoever held it is gone", unit->name);
	}
}

/* Another process by now: nobody is left to return an error to, so it goes to the journal. */
static void watch(const struct kf_unit_hold *hold, int line, int report_to)
{
	static const int deaf_to[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	struct report report = { .pid = getpid() };
	ssize_t n;
	char c;

	for (size_t i = 0; i < KF_ARRAY_SIZE(deaf_to); i++)
		signal(deaf_to[i], SIG_IGN);
	prctl(PR_SET_NAME, "kf-sentinel");
	let_go_of_all_but(&line, &report_to);
	openlog("kf-sentinel", LOG_PID, LOG_DAEMON);
	report.able = may_start_all(hold);
	n = write(report_to, &report, sizeof(report));
	close(report_to);
	if (n != (ssize_t)sizeof(report) || !report.able)
		_exit(1);
	do
		n = read(line, &c, 1);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		bring_back(hold);
	_exit(0);
}

/* Fork twice: the sentinel is nobody's child and leads no terminal's session. */
static int post(const struct kf_unit_hold *hold, int line, int report_to, struct kf_error *err)
{
	pid_t pid = fork();

	if (pid < 0)
		return kf_fail_sys(err, errno, "sentinel");
	if (pid > 0) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return 0;
	}
	setsid();
	pid = fork();
	if (pid == 0)
		watch(hold, line, report_to);
	_exit(0);
}

static int hear(int from, struct report *ret, struct kf_error *err)
{
	struct pollfd pfd = { .fd = from, .events = POLLIN };
	struct report report = { 0 };
	int r;

	r = kf_wait(&pfd, 1, kf_now_ms() + READY_MS);
	if (r < 0)
		return kf_fail_sys(err, -r, "sentinel");
	if (r == 0 || read(from, &report, sizeof(report)) != (ssize_t)sizeof(report))
		return kf_fail(err, KF_SERVICE,
			       "the sentinel that would start the units again "
			       "did not start itself");
	*ret = report;
	return 0;
}

static void close_sentinel(struct kf_unit_hold *hold)
{
	struct own *own = hold->own;

	kf_closep(&own->line);
	free(own);
	hold->own = NULL;
}

/*
 * Out of our session's cgroup, so that who ends the session does not end it; if we are let. A
 * systemd that could start the units itself has not let us have a scope.
 */
static void shelter(struct kf_unit_hold *hold, pid_t pid)
{
	const struct kf_patience patience = { .deadline_ms = kf_now_ms() + SHELTER_MS };
	struct kf_bus *bus = kf_systemd_bus(hold->systemd, &patience);
	char name[KF_NAME_SIZE];
	const struct kf_scope scope = { .name = name, .pid = pid };

	kf_text_format(name, sizeof(name), "kf-sentinel-%d.scope", (int)pid);
	if (bus && !kf_scope_can(bus, &patience) &&
	    kf_scope_start(bus, &scope, &patience, NULL) < 0)
		return; /* it watches all the same */
}

static int refuse(const struct kf_unit_hold *hold, struct kf_error *err)
{
	char names[256] = "";

	for (size_t i = 0; i < hold->count; i++)
		if (kf_unit_is_up(&hold->units[i].before))
			kf_text_add(names, sizeof(names), ", ", hold->units[i].name);
	kf_fail(err, KF_PERMISSION,
		"you may not stop and start %s, neither over D-Bus (polkit says no) nor with sudo "
		"(it wants a password)",
		names);
	kf_error_hint(err,
		      "install the kalico-flash package and join its group (sudo adduser $USER "
		      "dialout) while its socket is on (sudo systemctl enable --now "
		      "kalico-flash.socket), or add a polkit rule for manage-units (Moonraker's "
		      "set-policykit-rules.sh does), or allow passwordless sudo for systemctl");
	return kf_code_errno(KF_PERMISSION);
}

/* Have the sentinel stand, and hear of it; *ret is what it reports. */
static int install(const struct kf_unit_hold *hold, struct own *own, struct report *ret,
		   struct kf_error *err)
{
	_cleanup_(kf_closep) int from = -1, to = -1, theirs = -1;
	int line[2], report_to[2], r;

	if (pipe2(line, O_CLOEXEC) < 0)
		return kf_fail_sys(err, errno, "sentinel");
	theirs = line[0];
	own->line = line[1];
	if (pipe2(report_to, O_CLOEXEC) < 0)
		return kf_fail_sys(err, errno, "sentinel");
	from = report_to[0];
	to = report_to[1];
	r = post(hold, theirs, to, err);
	kf_closep(&to);
	return r < 0 ? r : hear(from, ret, err);
}

static int open_sentinel(struct kf_unit_hold *hold, struct kf_error *err)
{
	struct report report = { 0 };
	bool owes = false;
	struct own *own;
	int r;

	for (size_t i = 0; i < hold->count; i++)
		owes = owes || kf_unit_is_up(&hold->units[i].before);
	if (!hold->systemd || !owes) {
		kf_fail(err, KF_SERVICE, hold->systemd ? "nothing to bring back" : "no systemd");
		return 0;
	}
	for (size_t i = 0; i < hold->count; i++)
		hold->units[i].by_sudo = kf_unit_is_up(&hold->units[i].before) &&
					 !kf_unit_allowed(hold->systemd, hold->units[i].name);
	own = hold->own = malloc(sizeof(*own));
	if (!own)
		return kf_fail_sys(err, ENOMEM, "sentinel");
	own->line = -1;
	r = install(hold, own, &report, err);
	if (r == 0 && !report.able)
		r = refuse(hold, err);
	if (r == 0)
		shelter(hold, report.pid);
	else
		close_sentinel(hold);
	return r < 0 ? r : 1;
}

static int run(struct kf_unit_hold *hold, const struct kf_command *command,
	       struct kf_command_end *ret, struct kf_error *err)
{
	const int keep[] = { ((struct own *)hold->own)->line, -1 };
	struct kf_command kept = *command;

	kept.keep = keep;
	return kf_command_run(&kept, ret, err);
}

static int release(struct kf_unit_hold *hold, struct kf_error *err)
{
	const struct own *own = hold->own;
	int r;

	r = kf_way_direct_release(hold, err);
	/* What we could not bring back it tries once more, when we are gone. */
	if (r == 0 && write(own->line, "", 1) < 0)
		hold->options.told("sentinel", "is gone already");
	return r;
}

static bool may(struct kf_systemd *systemd, const char *unit)
{
	enum kf_right right;

	return kf_unit_right(systemd, unit, &right, NULL) == 0 && right != KF_RIGHT_NONE;
}

const struct kf_way kf_way_sentinel = {
	.name = "sentinel",
	.may = may,
	.open = open_sentinel,
	.take = kf_way_direct_take,
	.run = run,
	.release = release,
	.close = close_sentinel,
};
