/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A hold within a hold is no rival: who made its scope, or has its lock, is a process above us.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "systemd/bus.h"
#include "systemd/lease.h"
#include "systemd/rival.h"
#include "systemd/scope.h"
#include "systemd/unitlock.h"

enum { SETTLE_MS = 30000 };

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

/* The next of the scopes in *at that stands and is another hold's, not own. */
static bool next_scope(struct kf_systemd *systemd, const char **at, const char *own,
		       char ret[KF_NAME_SIZE], struct kf_unit_state *state)
{
	size_t len;

	while (**at) {
		len = strcspn(*at, " ");
		kf_text_format(ret, KF_NAME_SIZE, "%.*s", (int)len, *at);
		*at += len + ((*at)[len] == ' ');
		/* One that has ended may be remembered for a while. */
		if (strncmp(ret, KF_SCOPE_PREFIX, strlen(KF_SCOPE_PREFIX)) == 0 &&
		    strcmp(ret, own) != 0 && !is_around_us(ret) &&
		    kf_unit_state(systemd, ret, state, NULL) == 0 && !kf_unit_is_down(state))
			return true;
	}
	return false;
}

int kf_rival_check(struct kf_systemd *systemd, const struct kf_held *unit, struct kf_error *err)
{
	const char *at = unit->before.owed_by;
	struct kf_unit_state state;
	char scope[KF_NAME_SIZE];
	pid_t owner;
	int r;

	if (kf_unitlock_owner(unit->name, &owner) && !is_above(owner))
		return kf_unitlock_refuse(unit->name, owner, err);
	if (!next_scope(systemd, &at, "", scope, &state))
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

void kf_rival_await(struct kf_unit_hold *hold, const char *own)
{
	struct kf_patience patience = { .deadline_ms = KF_FOREVER, .through = true };
	struct kf_unit_state ours, now, theirs;
	char scope[KF_NAME_SIZE];

	for (size_t i = 0; i < hold->count; i++) {
		const char *at = now.owed_by, *unit = hold->units[i].name;
		struct kf_bus *bus = kf_systemd_bus(hold->systemd, &patience);
		bool waited = false;

		if (!bus || kf_unit_state(hold->systemd, unit, &now, NULL) < 0)
			continue;
		while (next_scope(hold->systemd, &at, own, scope, &theirs)) {
			if (kf_unit_state(hold->systemd, own, &ours, NULL) < 0 ||
			    theirs.since_us > ours.since_us)
				continue;
			hold->options.told(unit, "another hold came first: waiting for its end");
			waited = kf_bus_wait(bus, scope, kf_unit_is_down, &patience, NULL) == 0;
		}
		patience.deadline_ms = kf_now_ms() + SETTLE_MS;
		if (waited && kf_bus_wait(bus, unit, kf_unit_is_settled, &patience, NULL) < 0)
			hold->options.told(unit, "does not come to rest after it");
		patience.deadline_ms = KF_FOREVER;
	}
}
