/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ways to hold units down are data: the first of the table that is to be had. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-login.h>

#include "core/clock.h"
#include "core/text.h"
#include "systemd/bus.h"
#include "systemd/rival.h"
#include "systemd/way.h"

static const struct kf_way *const ways[] = { &kf_way_lease, &kf_way_scope, &kf_way_sudo_scope,
					     &kf_way_sentinel, &kf_way_direct };

const char *kf_unit_guarantee(struct kf_systemd *systemd, const char *unit)
{
	for (size_t i = 0; i < KF_ARRAY_SIZE(ways); i++)
		if (ways[i]->may && ways[i]->may(systemd, unit))
			return ways[i]->name;
	return "none";
}

/* What is stopped has to start again: refuse what systemd would not start. */
static int check_return(const struct kf_held *unit, struct kf_error *err)
{
	const char *why = kf_unit_stuck(&unit->before);
	int r;

	if (!why)
		return 0;
	r = kf_fail(err, KF_SERVICE,
		    "%s runs but is %s: once stopped it could not be started again", unit->name,
		    why);
	kf_error_hint(err,
		      "stop it yourself first (kf-service stop -u %s) if you can do without it",
		      unit->name);
	return r;
}

/*
 * With the unit end all processes that it has started: we among them, before our work is done,
 * and nobody is left to start it again.
 */
static int check_outside(const struct kf_unit_hold *hold, struct kf_error *err)
{
	_cleanup_(kf_freep) char *own = NULL;

	if (sd_pid_get_unit(0, &own) < 0)
		return 0; /* in no unit, or no systemd */
	for (size_t i = 0; i < hold->count; i++) {
		if (strcmp(hold->units[i].name, own) != 0)
			continue;
		kf_fail(err, KF_SERVICE, "%s cannot be stopped by a process that it has started",
			own);
		kf_error_hint(err, "give the command a unit of its own: kalico-flash(7), MAINSAIL "
				   "AND FLUIDD");
		return kf_code_errno(KF_SERVICE);
	}
	return 0;
}

/* What is about to end may be about to run again (Restart=): which of both is seen then. */
static int see(struct kf_unit_hold *hold, struct kf_held *unit, struct kf_error *err)
{
	const struct kf_patience patience = { .deadline_ms =
						      kf_now_ms() + hold->options.timeout_ms };
	struct kf_bus *bus;
	int r = kf_unit_known(hold->systemd, unit->name, &unit->before, err);

	if (r < 0 || kf_unit_is_up(&unit->before) || kf_unit_is_down(&unit->before))
		return r;
	hold->options.told(unit->name, "is being stopped: waiting for its end");
	bus = kf_systemd_bus(hold->systemd, &patience);
	r = bus ? kf_bus_wait(bus, unit->name, kf_unit_is_past_ending, &patience, err) : 0;
	if (r < 0)
		kf_error_prefix(err, "%s is being stopped already", unit->name);
	return r < 0 ? r : kf_unit_state(hold->systemd, unit->name, &unit->before, err);
}

static bool is_listed(const struct kf_unit_hold *hold, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(hold->units[i].name, name) == 0)
			return true;
	return false;
}

/* Systemd would stop these along with unit, and not start them with it: so they are held too. */
static int add_those_that_stop_too(struct kf_unit_hold *hold, const struct kf_held *unit,
				   struct kf_error *err)
{
	const char *at = unit->before.stops_too;
	struct kf_unit_state state;
	char name[KF_NAME_SIZE];
	int r;

	if (unit->before.cut)
		return kf_fail(err, KF_SERVICE,
			       "more units stop along with %s than can be held: %d at most",
			       unit->name, KF_HOLD_UNITS_MAX);
	for (size_t len; *at; at += len + (at[len] == ' ')) {
		len = strcspn(at, " ");
		kf_text_format(name, sizeof(name), "%.*s", (int)len, at);
		if (is_listed(hold, hold->count, name))
			continue;
		r = kf_unit_state(hold->systemd, name, &state, err);
		if (r < 0)
			return r;
		if (!kf_unit_is_up(&state))
			continue;
		if (hold->count == KF_HOLD_UNITS_MAX)
			return kf_fail(err, KF_SERVICE,
				       "more units stop along with %s than can be held: %d at most",
				       unit->name, KF_HOLD_UNITS_MAX);
		strcpy(hold->units[hold->count++].name, name);
	}
	return 0;
}

static int look(struct kf_unit_hold *hold, struct kf_error *err)
{
	size_t n = 0;
	int r = 0;

	/* The list grows, and what two names stand for is in it once. */
	for (size_t i = 0; r == 0 && i < hold->count; i++) {
		struct kf_held *unit = &hold->units[n];

		if (n != i)
			*unit = hold->units[i];
		r = see(hold, unit, err);
		if (r == 0 && unit->before.id[0])
			kf_text_format(unit->name, sizeof(unit->name), "%s", unit->before.id);
		if (is_listed(hold, n, unit->name))
			continue;
		if (r == 0)
			r = kf_rival_check(hold->systemd, unit, err);
		if (r == 0 && kf_unit_is_up(&unit->before)) {
			r = check_return(unit, err);
			if (r == 0)
				r = add_those_that_stop_too(hold, unit, err);
		}
		n++;
	}
	hold->count = n;
	return r;
}

/* No lease, nor another right: both are worth knowing. */
static void explain(const struct kf_unit_hold *hold, struct kf_error *err)
{
	if (err->code == KF_PERMISSION && hold->barred.code != KF_OK)
		kf_error_prefix(err, "%s; without a lease", hold->barred.message);
}

/* In any other way than a lease we do not share with those who have one. */
static int check_leases(const struct kf_unit_hold *hold, struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < hold->count; i++)
		r = kf_rival_lease(&hold->units[i], err);
	return r;
}

/* The last way's reason is the one to tell: it is the one that asks for least. */
static int choose(struct kf_unit_hold *hold, struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < KF_ARRAY_SIZE(ways); i++) {
		if (ways[i] != &kf_way_lease)
			r = check_leases(hold, err);
		if (r == 0)
			r = ways[i]->open(hold, err);
		if (r > 0)
			hold->way = ways[i];
		if (r == 0 && ways[i] == &kf_way_lease && err->code == KF_PERMISSION)
			hold->barred = *err;
	}
	if (r == 0)
		return kf_code_errno(err->code);
	return r < 0 ? r : 0;
}

int kf_unit_hold_new(const char (*units)[KF_NAME_SIZE], size_t count,
		     const struct kf_unit_hold_options *options, struct kf_unit_hold **ret,
		     struct kf_error *err)
{
	_cleanup_(kf_unit_hold_free) struct kf_unit_hold *hold = calloc(1, sizeof(*hold));
	struct kf_error why = { 0 };
	int r;

	if (!hold)
		return kf_fail_sys(err, ENOMEM, "hold");
	hold->options = *options;
	hold->turn = -1;
	hold->count = count;
	for (size_t i = 0; i < count; i++)
		strcpy(hold->units[i].name, units[i]);
	r = kf_rival_turn(hold, err);
	if (r < 0)
		return r;
	r = kf_systemd_open(&hold->systemd, err);
	if (r < 0)
		return r;
	r = look(hold, &why);
	if (r == 0 && check_outside(hold, err) < 0)
		return kf_code_errno(KF_SERVICE);
	if (r == 0)
		r = choose(hold, &why);
	if (r < 0) {
		explain(hold, &why);
		if (err)
			*err = why;
		return r;
	}
	*ret = hold;
	hold = NULL; /* the caller's now */
	return 0;
}

int kf_unit_hold_take(struct kf_unit_hold *hold, struct kf_error *err)
{
	int r = hold->way->take(hold, err);

	kf_closep(&hold->turn);
	if (r < 0 && err)
		explain(hold, err);
	return r;
}

int kf_unit_hold_run(struct kf_unit_hold *hold, const struct kf_command *command,
		     struct kf_command_end *ret, struct kf_error *err)
{
	return hold->way->run ? hold->way->run(hold, command, ret, err)
			      : kf_command_run(command, ret, err);
}

int kf_unit_hold_release(struct kf_unit_hold *hold, struct kf_error *err)
{
	return hold->way->release(hold, err);
}

void kf_unit_hold_free(struct kf_unit_hold **hold)
{
	if (*hold && (*hold)->way && (*hold)->way->close)
		(*hold)->way->close(*hold);
	if (*hold) {
		kf_closep(&(*hold)->turn);
		kf_systemd_close(&(*hold)->systemd);
	}
	free(*hold);
	*hold = NULL;
}

int kf_way_lost(const char *why, const char *lost, struct kf_error *err)
{
	int r = kf_fail(err, KF_SERVICE_LOST, "%s", why);

	kf_error_hint(err, "sudo systemctl start %s", lost);
	return r;
}
