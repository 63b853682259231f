/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A hold within a hold is no rival: who made its scope, or has its lock, is a process above us.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "systemd/bus.h"
#include "systemd/lease.h"
#include "systemd/namelock.h"
#include "systemd/rival.h"
#include "systemd/scope.h"

/* proc(5): the fourth word of stat, behind a name that may hold anything. 0: it is gone. */
static pid_t parent_of(pid_t pid)
{
	_cleanup_(kf_closep) int fd = -1;
	char path[64], text[512];
	const char *at;
	ssize_t len;

	kf_text_format(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[len < 0 ? 0 : len] = '\0';
	at = strrchr(text, ')'); /* ") S 812 " */
	return at && strlen(at) > 4 ? (pid_t)strtol(at + 4, NULL, 10) : 0;
}

static bool is_above(pid_t pid)
{
	pid_t at = getpid();

	while (at > 1 && at != pid)
		at = parent_of(at);
	return pid > 1 && at == pid;
}

static bool is_around_us(const char *scope)
{
	_cleanup_(kf_freep) char *own = NULL;

	return is_above((pid_t)strtol(scope + strlen(KF_SCOPE_PREFIX), NULL, 10)) ||
	       (sd_pid_get_unit(0, &own) >= 0 && strcmp(own, scope) == 0);
}

/* Of the units at whose end it is started: a scope that stands and is another hold's. */
static bool find_scope(struct kf_systemd *systemd, const char *owed_by, char ret[KF_NAME_SIZE])
{
	struct kf_unit_state state;

	for (size_t len; *owed_by; owed_by += len + (owed_by[len] == ' ')) {
		len = strcspn(owed_by, " ");
		kf_text_format(ret, KF_NAME_SIZE, "%.*s", (int)len, owed_by);
		/* One that has ended may be remembered for a while. */
		if (strncmp(ret, KF_SCOPE_PREFIX, strlen(KF_SCOPE_PREFIX)) == 0 &&
		    !is_around_us(ret) && kf_unit_state(systemd, ret, &state, NULL) == 0 &&
		    !kf_unit_is_down(&state))
			return true;
	}
	return false;
}

static void name_sentinel(const char *unit, char ret[KF_NAME_SIZE * 2])
{
	kf_text_format(ret, KF_NAME_SIZE * 2, "held/%s", unit);
}

static int refuse_sentinel(const char *unit, pid_t owner, struct kf_error *err)
{
	int r = kf_fail(err, KF_BUSY,
			"%s is held already: a sentinel starts it when process %d and its command "
			"have ended",
			unit, (int)owner);

	kf_error_hint(err,
		      "wait for that (ps %d, or pgrep -l kf-sentinel, shows whether it is over), "
		      "then try again",
		      (int)owner);
	return r;
}

int kf_rival_claim(const char *unit, int *ret, struct kf_error *err)
{
	char name[KF_NAME_SIZE * 2];
	pid_t owner;
	int r;

	name_sentinel(unit, name);
	r = kf_namelock_take(name, 0, ret, &owner);
	if (r == -EBUSY)
		return refuse_sentinel(unit, owner, err);
	return r < 0 ? kf_fail_sys(err, -r, "%s: no lock", unit) : 0;
}

int kf_rival_turn(struct kf_unit_hold *hold, struct kf_error *err)
{
	static const char name[] = "taking";
	int64_t deadline_ms = kf_now_ms() + hold->options.wait_ms;
	pid_t owner;
	int r = kf_namelock_take(name, 0, &hold->turn, &owner);

	if (r == -EBUSY && hold->options.wait_ms) {
		hold->options.told(hold->units[0].name, "another hold begins: waiting for that");
		r = kf_namelock_take(name, deadline_ms, &hold->turn, &owner);
	}
	if (r == -EINTR)
		return kf_fail(err, KF_INTERRUPTED, "interrupted while another hold begins");
	if (r != -EBUSY)
		return r < 0 ? kf_fail_sys(err, -r, "hold: no lock") : 0;
	r = kf_fail(err, KF_BUSY, "process %d has begun to hold units, and is not done with that",
		    (int)owner);
	kf_error_hint(err, "wait for it (ps %d shows what it is), then try again", (int)owner);
	return r;
}

int kf_rival_check(struct kf_systemd *systemd, const struct kf_held *unit, struct kf_error *err)
{
	char name[KF_NAME_SIZE * 2], scope[KF_NAME_SIZE];
	pid_t owner;
	int r;

	name_sentinel(unit->name, name);
	if (kf_namelock_owner(name, &owner) && !is_above(owner))
		return refuse_sentinel(unit->name, owner, err);
	if (!find_scope(systemd, unit->before.owed_by, scope))
		return 0;
	r = kf_fail(err, KF_BUSY, "%s is held already: it is started when %s ends", unit->name,
		    scope);
	kf_error_hint(err, "wait for that (systemctl status %s shows it), then try again", scope);
	return r;
}

int kf_rival_lease(const struct kf_held *unit, struct kf_error *err)
{
	const char *path = kf_lease_socket();
	char debt[512];
	int r;

	if (!kf_text_format(debt, sizeof(debt), "%.*s" KF_LEASE_DEBTS "/%s",
			    (int)(strrchr(path, '/') - path), path, unit->name) ||
	    access(debt, F_OK) < 0)
		return 0;
	r = kf_fail(err, KF_BUSY, "%s is leased already: kf-leased starts it when that ends",
		    unit->name);
	kf_error_hint(err, "wait for that (journalctl -u kalico-flash tells whose it is), then try "
			   "again");
	return r;
}
