/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * D-Bus first; a lost connection is made anew once; what polkit refuses goes to sudo. The
 * verdict is the unit's state afterwards, not the job's result or an exit status.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/process.h"
#include "core/text.h"
#include "systemd/bus.h"
#include "systemd/systemctl.h"
#include "systemd/units.h"

enum { QUERY_MS = 10000, CONNECT_MS = 5000, DENIED_MAX = 32 };

struct kf_systemd {
	struct kf_bus *bus;		       /* NULL: not connected */
	char denied[DENIED_MAX][KF_NAME_SIZE]; /* units with which polkit did not let us ... */
	size_t denials;
	struct kf_error denial; /* ... last in these words */
};

struct verb {
	const char *name, *done, *method;
	bool (*reached)(const struct kf_unit_state *state);
	bool through;
};

static bool ended(const struct kf_unit_state *state)
{
	return kf_unit_is_down(state) && !state->starting;
}

static const struct verb stop = { "stop", "stopped", "StopUnit", ended, false };
static const struct verb start = { "start", "started", "StartUnit", kf_unit_runs, true };

static struct kf_patience at_most(const struct kf_patience *patience, int64_t ms)
{
	int64_t soon = kf_now_ms() + ms;

	return (struct kf_patience){
		.deadline_ms = soon < patience->deadline_ms ? soon : patience->deadline_ms,
		.through = patience->through,
	};
}

static int connect_bus(struct kf_systemd *systemd, const struct kf_patience *patience,
		       struct kf_error *err)
{
	struct kf_patience brief = at_most(patience, CONNECT_MS);

	return systemd->bus ? 0 : kf_bus_open(&brief, &systemd->bus, err);
}

int kf_systemd_open(struct kf_systemd **ret, struct kf_error *err)
{
	_cleanup_(kf_systemd_close) struct kf_systemd *systemd = calloc(1, sizeof(*systemd));
	const struct kf_patience patience = { .deadline_ms = kf_now_ms() + CONNECT_MS };
	struct kf_error no_bus = { 0 }, no_systemctl = { .message = "not found" };
	struct kf_unit_state state;
	int r;

	if (!systemd)
		return kf_fail_sys(err, ENOMEM, "systemd");
	r = connect_bus(systemd, &patience, &no_bus);
	if (r < 0 && r != -EINTR && kf_process_exists("systemctl"))
		r = kf_systemctl_state("klipper.service", &patience, &state, &no_systemctl);
	if (r == -EINTR)
		return kf_fail(err, KF_INTERRUPTED, "interrupted while connecting to systemd");
	if (r < 0) {
		kf_fail(err, KF_SERVICE, "no systemd to talk to: D-Bus: %s; systemctl: %s",
			no_bus.message, no_systemctl.message);
		kf_error_hint(err, "services are stopped and started only where systemd runs; "
				   "elsewhere, end what uses the board by hand");
		return r;
	}
	*ret = systemd;
	systemd = NULL; /* the caller's now */
	return 0;
}

void kf_systemd_close(struct kf_systemd **systemd)
{
	if (*systemd)
		kf_bus_close(&(*systemd)->bus);
	free(*systemd);
	*systemd = NULL;
}

struct kf_bus *kf_systemd_bus(struct kf_systemd *systemd, const struct kf_patience *patience)
{
	if (systemd->bus && !kf_bus_alive(systemd->bus))
		kf_bus_close(&systemd->bus);
	return connect_bus(systemd, patience, NULL) == 0 ? systemd->bus : NULL;
}

int kf_unit_name(const char *name, char ret[KF_NAME_SIZE], struct kf_error *err)
{
	/* systemd.unit(5): the characters of a name, and the kinds of unit. */
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789:-_.\\@";
	static const char *const kinds[] = {
		".socket", ".device", ".mount", ".automount", ".swap",
		".target", ".path",   ".timer", ".slice",     ".scope"
	};
	size_t len = strlen(name);
	const char *dot = strrchr(name, '.'), *at;
	bool full = dot && strcmp(dot, ".service") == 0;
	char whole[KF_NAME_SIZE];

	for (size_t i = 0; dot && i < KF_ARRAY_SIZE(kinds); i++)
		if (strcmp(dot, kinds[i]) == 0)
			return kf_fail(err, KF_USAGE, "%s is not a service", name);
	if (len == 0 || strspn(name, allowed) != len || strchr("-.@", name[0]) ||
	    !kf_text_format(whole, sizeof(whole), "%s%s", name, full ? "" : ".service"))
		return kf_fail(err, KF_USAGE, "\"%.64s\" cannot be the name of a service", name);
	at = strchr(whole, '@');
	if (at && strcmp(at, "@.service") == 0)
		return kf_fail(err, KF_USAGE, "%s is a template: name an instance, as in %.*s@1",
			       name, (int)(at - whole), whole);
	strcpy(ret, whole);
	return 0;
}

static int get_state(struct kf_systemd *systemd, const char *unit,
		     const struct kf_patience *patience, struct kf_unit_state *ret,
		     struct kf_error *err)
{
	int r;

	for (int tries = 0; tries < 2 && connect_bus(systemd, patience, NULL) == 0; tries++) {
		r = kf_bus_state(systemd->bus, unit, patience, ret, err);
		if (r != -ENOTCONN)
			goto done;
		kf_bus_close(&systemd->bus);
	}
	r = kf_systemctl_state(unit, patience, ret, err);
done:
	if (r < 0)
		kf_error_prefix(err, "%s", unit);
	return r;
}

int kf_unit_state(struct kf_systemd *systemd, const char *unit, struct kf_unit_state *ret,
		  struct kf_error *err)
{
	const struct kf_patience patience = { .deadline_ms = kf_now_ms() + QUERY_MS };

	return get_state(systemd, unit, &patience, ret, err);
}

enum { NAMES_SIZE = 256 };

/* Too many to name them all is no mistake. */
static void add_name(void *arg, const char *unit)
{
	kf_text_add(arg, NAMES_SIZE, ", ", unit);
}

static int check_known(struct kf_systemd *systemd, const char *unit,
		       const struct kf_unit_state *state, struct kf_error *err)
{
	const struct kf_patience patience = { .deadline_ms = kf_now_ms() + QUERY_MS };
	char names[NAMES_SIZE] = "";
	int r;

	if (strcmp(state->load, "not-found") != 0 || !kf_unit_is_down(state))
		return 0;
	r = kf_fail(err, KF_SERVICE, "%s: there is no such unit", unit);
	if (systemd->bus && kf_bus_printers(systemd->bus, &patience, add_name, names, NULL) == 0 &&
	    names[0])
		kf_error_hint(err, "this machine runs %s: name one with -u", names);
	else
		kf_error_hint(err,
			      "see systemctl list-unit-files '*klipper*', and name it with -u");
	return r;
}

int kf_unit_known(struct kf_systemd *systemd, const char *unit, struct kf_unit_state *ret,
		  struct kf_error *err)
{
	int r;

	r = kf_unit_state(systemd, unit, ret, err);
	return r < 0 ? r : check_known(systemd, unit, ret, err);
}

/* Ask for it over D-Bus, and wait for the job. *err always has its code set on failure. */
static int ask_bus(struct kf_systemd *systemd, const struct verb *verb, const char *unit,
		   const struct kf_patience *patience, struct kf_error *err)
{
	char result[32] = "";
	int r = -ENOTCONN;

	for (int tries = 0; tries < 2 && r == -ENOTCONN; tries++) {
		if (connect_bus(systemd, patience, err) < 0)
			return -ENOTCONN;
		r = kf_bus_job(systemd->bus, verb->method, unit, patience, result, err);
		if (r == -ENOTCONN)
			kf_bus_close(&systemd->bus);
	}
	if (r == 0 && strcmp(result, "done") != 0)
		r = kf_fail(err, KF_SERVICE, "systemd's job ended with the result %s", result);
	return r;
}

static bool is_denied(const struct kf_systemd *systemd, const char *unit)
{
	for (size_t i = 0; i < systemd->denials; i++)
		if (strcmp(systemd->denied[i], unit) == 0)
			return true;
	return false;
}

static void note_denial(struct kf_systemd *systemd, const char *unit, const struct kf_error *why)
{
	if (systemd->denials < DENIED_MAX && !is_denied(systemd, unit))
		kf_text_format(systemd->denied[systemd->denials++], KF_NAME_SIZE, "%s", unit);
	systemd->denial = *why;
}

/* The same, but what polkit did not let us do before with this unit is not asked for again. */
static int ask_bus_once(struct kf_systemd *systemd, const struct verb *verb, const char *unit,
			const struct kf_patience *patience, struct kf_error *err)
{
	int r;

	if (is_denied(systemd, unit)) {
		*err = systemd->denial;
		return kf_code_errno(err->code);
	}
	r = ask_bus(systemd, verb, unit, patience, err);
	if (r < 0 && err->code == KF_PERMISSION)
		note_denial(systemd, unit, err);
	return r;
}

static int ask(struct kf_systemd *systemd, const struct verb *verb, const char *unit,
	       const struct kf_patience *patience, struct kf_error *err)
{
	struct kf_error by_bus = { 0 }, by_sudo = { 0 };
	int r;

	r = ask_bus_once(systemd, verb, unit, patience, &by_bus);
	if (r < 0 && (r == -ENOTCONN || by_bus.code == KF_PERMISSION)) {
		r = kf_systemctl_job(verb->name, unit, patience, &by_sudo);
		if (r < 0 && by_sudo.code == KF_PERMISSION) {
			kf_fail(err, KF_PERMISSION, "%s; sudo -n says: %s", by_bus.message,
				by_sudo.message);
			kf_error_hint(err,
				      "allow it by a polkit rule for manage-units (Moonraker's "
				      "installer sets one up: set-policykit-rules.sh), or by "
				      "passwordless sudo for systemctl");
			return r;
		}
		by_bus = by_sudo;
	}
	if (r < 0 && err)
		*err = by_bus;
	if (r < 0 && by_bus.code == KF_SERVICE)
		kf_error_hint(err, "see systemctl status %s and journalctl -u %s", unit, unit);
	return r;
}

/* The outcome: ask, then look. A refusal or failure that led there all the same is none. */
static int ask_and_look(struct kf_systemd *systemd, const struct verb *verb, const char *unit,
			const struct kf_patience *patience, struct kf_unit_state *ret,
			struct kf_error *err)
{
	struct kf_patience look = { .through = verb->through };
	int r, seen;

	r = ask(systemd, verb, unit, patience, err);
	if (r == -EINTR)
		return r;
	look.deadline_ms = kf_now_ms() + QUERY_MS;
	seen = get_state(systemd, unit, &look, ret, r < 0 ? NULL : err);
	if (seen < 0)
		return r < 0 ? r : seen;
	if (verb->reached(ret))
		return 0;
	if (r == 0) {
		r = kf_fail(err, KF_SERVICE, "it is %s (%s)", ret->active, ret->sub);
		kf_error_hint(err, "see systemctl status %s and journalctl -u %s", unit, unit);
	}
	return r;
}

void kf_unit_forgive(struct kf_systemd *systemd, const char *unit)
{
	const struct kf_patience patience = { .deadline_ms = kf_now_ms() + QUERY_MS,
					      .through = true };

	if (is_denied(systemd, unit) || !systemd->bus ||
	    kf_bus_reset_failed(systemd->bus, unit, &patience, NULL) < 0)
		if (kf_systemctl_job("reset-failed", unit, &patience, NULL) < 0)
			return; /* the start that follows will tell */
}

static int change(struct kf_systemd *systemd, const struct verb *verb, const char *unit,
		  int64_t deadline_ms, struct kf_error *err)
{
	const struct kf_patience patience = { .deadline_ms = deadline_ms,
					      .through = verb->through };
	struct kf_unit_state state = { 0 };
	int r;

	r = get_state(systemd, unit, &patience, &state, err);
	if (r == 0)
		r = check_known(systemd, unit, &state, err);
	if (r < 0 || verb->reached(&state))
		return r;
	r = ask_and_look(systemd, verb, unit, &patience, &state, err);
	if (r < 0 && r != -EINTR && verb == &start &&
	    strcmp(state.result, "start-limit-hit") == 0) {
		kf_unit_forgive(systemd, unit);
		r = ask_and_look(systemd, verb, unit, &patience, &state, err);
	}
	if (r < 0)
		kf_error_prefix(err, "%s cannot be %s", unit, verb->done);
	return r;
}

int kf_unit_stop(struct kf_systemd *systemd, const char *unit, int64_t deadline_ms,
		 struct kf_error *err)
{
	return change(systemd, &stop, unit, deadline_ms, err);
}

int kf_unit_start(struct kf_systemd *systemd, const char *unit, int64_t deadline_ms,
		  struct kf_error *err)
{
	return change(systemd, &start, unit, deadline_ms, err);
}

const char *kf_right_name(enum kf_right right)
{
	static const char *const names[] = { "none", "dbus", "sudo", "systemctl" };

	return names[right];
}

void kf_unit_by_sudo(struct kf_systemd *systemd, const char *unit)
{
	struct kf_error why;

	kf_fail(&why, KF_PERMISSION, "polkit does not allow it");
	note_denial(systemd, unit, &why);
}

bool kf_unit_allowed(struct kf_systemd *systemd, const char *unit)
{
	const struct kf_patience patience = { .deadline_ms = kf_now_ms() + QUERY_MS };
	bool allowed = false;

	if (!systemd->bus || kf_bus_may_start(systemd->bus, unit, &patience, &allowed, NULL) < 0 ||
	    allowed)
		return allowed;
	kf_unit_by_sudo(systemd, unit);
	return false;
}

int kf_unit_right(struct kf_systemd *systemd, const char *unit, enum kf_right *ret,
		  struct kf_error *err)
{
	const struct kf_patience patience = { .deadline_ms = kf_now_ms() + QUERY_MS };
	bool allowed = false;
	int r = 0;

	if (systemd->bus)
		r = kf_bus_may_start(systemd->bus, unit, &patience, &allowed, err);
	if (r < 0 && r != -ENOTCONN)
		return r;
	if (allowed)
		*ret = KF_RIGHT_DBUS;
	else if (geteuid() == 0)
		*ret = KF_RIGHT_SYSTEMCTL;
	else if (kf_systemctl_may("stop", unit, &patience) &&
		 kf_systemctl_may("start", unit, &patience))
		*ret = KF_RIGHT_SUDO;
	else
		*ret = KF_RIGHT_NONE;
	return 0;
}
