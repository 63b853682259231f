/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * For a systemd before 249, and for rights too narrow for a scope: a process of our own that
 * starts the units if we cannot. It shares a pipe with us and the command; its end of file
 * says that all of us are gone. It lives in a session of its own, holds nothing of ours open,
 * and before anything is stopped has found that it may start the units from there (a sudo
 * that remembers a password, for one, does so for our terminal alone). As long as one of us is
 * there, the units' locks keep other holds out (rival.h).
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
#include "systemd/rival.h"
#include "systemd/scope.h"
#include "systemd/systemctl.h"
#include "systemd/way.h"

enum { READY_MS = 20000, SHELTER_MS = 5000, END_MS = 1000 };

/* What the sentinel keeps open of ours, in this order, behind its three standard streams. */
enum { LINE, REPORT, LOCKS, KEPT_MAX = LOCKS + KF_HOLD_UNITS_MAX };
enum { FIRST_FD = 3 };

struct own {
	int line; /* our end of the pipe: a byte there dismisses the sentinel */
	int from; /* its report, and then the end of it */
	size_t count;
	int kept[KEPT_MAX];
};

/* What it reports once it stands, or does not. */
struct report {
	pid_t pid;
	bool able; /* it may start the units */
};

/* Nothing else of ours: a pipe that it kept open would never end for who reads it. */
static void let_go_of_all_but(int *kept, size_t count)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), above[KEPT_MAX];

	for (size_t i = 0; i < count; i++)
		above[i] = fcntl(kept[i], F_DUPFD_CLOEXEC, FIRST_FD + KEPT_MAX);
	for (int fd = 0; fd < FIRST_FD; fd++)
		dup2(null, fd);
	for (size_t i = 0; i < count; i++)
		kept[i] = dup3(above[i], FIRST_FD + (int)i, O_CLOEXEC);
	close_range(FIRST_FD + (unsigned)count, ~0U, 0);
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
static void watch(const struct kf_unit_hold *hold, struct own *own)
{
	static const int deaf_to[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	struct report report = { .pid = getpid() };
	ssize_t n;
	char c;

	for (size_t i = 0; i < KF_ARRAY_SIZE(deaf_to); i++)
		signal(deaf_to[i], SIG_IGN);
	prctl(PR_SET_NAME, "kf-sentinel");
	let_go_of_all_but(own->kept, own->count);
	openlog("kf-sentinel", LOG_PID, LOG_DAEMON);
	report.able = may_start_all(hold);
	n = write(own->kept[REPORT], &report, sizeof(report));
	if (n != (ssize_t)sizeof(report) || !report.able)
		_exit(1);
	do
		n = read(own->kept[LINE], &c, 1);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		bring_back(hold);
	_exit(0);
}

/* Fork twice: the sentinel is nobody's child and leads no terminal's session. */
static int post(const struct kf_unit_hold *hold, struct own *own, struct kf_error *err)
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
		watch(hold, own);
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

static void close_kept(struct own *own, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		kf_closep(&own->kept[i]);
}

static void close_sentinel(struct kf_unit_hold *hold)
{
	struct own *own = hold->own;

	kf_closep(&own->line);
	kf_closep(&own->from);
	close_kept(own, 0, own->count);
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

/* Two pipes, each with an end that the sentinel keeps. */
static int open_pipes(struct own *own, struct kf_error *err)
{
	int line[2], report[2];

	if (pipe2(line, O_CLOEXEC) < 0)
		return kf_fail_sys(err, errno, "sentinel");
	own->kept[LINE] = line[0];
	own->line = line[1];
	if (pipe2(report, O_CLOEXEC) < 0)
		return kf_fail_sys(err, errno, "sentinel");
	own->kept[REPORT] = report[1];
	own->from = report[0];
	return 0;
}

/* The units that it will owe, unless another sentinel does. */
static int lock_units(const struct kf_unit_hold *hold, struct own *own, struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < hold->count; i++) {
		if (!kf_unit_is_up(&hold->units[i].before))
			continue;
		r = kf_rival_claim(hold->units[i].name, &own->kept[own->count], err);
		if (r == 0)
			own->count++;
	}
	return r;
}

/* Have the sentinel stand, and hear of it. */
static int install(struct kf_unit_hold *hold, struct own *own, struct kf_error *err)
{
	struct report report = { 0 };
	int r = open_pipes(own, err);

	if (r == 0)
		r = lock_units(hold, own, err);
	if (r == 0)
		r = post(hold, own, err);
	if (r < 0)
		return r;
	close_kept(own, LINE, LOCKS);
	r = hear(own->from, &report, err);
	if (r == 0 && !report.able)
		r = refuse(hold, err);
	if (r == 0)
		shelter(hold, report.pid);
	return r;
}

static int open_sentinel(struct kf_unit_hold *hold, struct kf_error *err)
{
	bool owes = false;
	struct own *own;
	int r;

	for (size_t i = 0; i < hold->count; i++)
		owes = owes || kf_unit_is_up(&hold->units[i].before);
	if (!owes) {
		kf_fail(err, KF_SERVICE, "nothing to bring back");
		return 0;
	}
	for (size_t i = 0; i < hold->count; i++)
		hold->units[i].by_sudo = kf_unit_is_up(&hold->units[i].before) &&
					 !kf_unit_allowed(hold->systemd, hold->units[i].name);
	own = hold->own = malloc(sizeof(*own));
	if (!own)
		return kf_fail_sys(err, ENOMEM, "sentinel");
	*own = (struct own){ .line = -1, .from = -1, .count = LOCKS, .kept = { -1, -1 } };
	r = install(hold, own, err);
	if (r < 0)
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

/* Its locks end with it: who comes next is not to find them. */
static void dismiss(struct kf_unit_hold *hold, struct own *own)
{
	struct pollfd pfd = { .fd = own->from };

	close_kept(own, LOCKS, own->count);
	if (write(own->line, "", 1) < 0)
		hold->options.told("sentinel", "is gone already");
	else if (kf_wait_through(&pfd, 1, kf_now_ms() + END_MS) <= 0)
		hold->options.told("sentinel", "takes its time to end");
}

static int release(struct kf_unit_hold *hold, struct kf_error *err)
{
	int r = kf_way_direct_release(hold, err);

	/* What we could not bring back it tries once more, when we are gone. */
	if (r == 0)
		dismiss(hold, hold->own);
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
