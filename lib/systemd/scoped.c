/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The command runs in a scope for whose end PID 1 starts the units. The scope stands before
 * anything is stopped, around the process that waits to become the command and that ends
 * if we do: no death of ours comes too early. It is gone before we are: a start that PID 1
 * still owed would else fall into the next hold.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "systemd/scope.h"
#include "systemd/way.h"

/* What the command leaves behind may take its time to end. */
enum { ANSWER_MS = 10000, LINGER_MS = 1000 };

struct own {
	struct kf_process_waiting waiting;
	char name[KF_NAME_SIZE];
};

typedef int start_fn(struct kf_bus *bus, const struct kf_scope *scope,
		     const struct kf_patience *patience, struct kf_error *err);

static struct kf_patience within(int64_t ms, bool through)
{
	return (struct kf_patience){ .deadline_ms = kf_now_ms() + ms, .through = through };
}

static void close_scope(struct kf_unit_hold *hold)
{
	struct own *own = hold->own;

	kf_process_cancel(&own->waiting);
	free(own);
	hold->own = NULL;
}

static int start(struct kf_unit_hold *hold, struct kf_bus *bus, start_fn *start_it,
		 struct kf_scope *scope, struct kf_error *err)
{
	const struct kf_patience patience = within(ANSWER_MS, false);
	struct own *own = calloc(1, sizeof(*own));
	int r;

	hold->own = own;
	if (!own)
		return kf_fail_sys(err, ENOMEM, "scope");
	r = kf_command_prepare(hold->options.command, &own->waiting, err);
	if (r < 0)
		return r;
	kf_text_format(own->name, sizeof(own->name), KF_SCOPE_PREFIX "%d.scope",
		       (int)own->waiting.pid);
	scope->name = own->name;
	scope->pid = own->waiting.pid;
	return start_it(bus, scope, &patience, err);
}

static int open_by(struct kf_unit_hold *hold, start_fn *start_it, struct kf_error *err)
{
	const struct kf_patience patience = within(ANSWER_MS, false);
	struct kf_bus *bus = kf_systemd_bus(hold->systemd, &patience);
	struct kf_error why = { 0 };
	struct kf_scope scope = { 0 };
	size_t running = 0;
	int r;

	for (size_t i = 0; i < hold->count; i++)
		if (kf_unit_is_up(&hold->units[i].before))
			scope.units[running++] = hold->units[i].name;
	if (!bus || running == 0) {
		kf_fail(err, KF_SERVICE, bus ? "nothing to bring back" : "there is no D-Bus");
		return 0;
	}
	r = start(hold, bus, start_it, &scope, &why);
	if (r == 0)
		return 1;
	if (hold->own)
		close_scope(hold);
	if (err)
		*err = why;
	/* What systemd cannot, or lets us not do, something else may. */
	return why.code == KF_PERMISSION || why.code == KF_SERVICE ? 0 : r;
}

static int open_scope(struct kf_unit_hold *hold, struct kf_error *err)
{
	return open_by(hold, kf_scope_start, err);
}

/* Whoever has a scope by sudo gets his units stopped by it too: polkit would only take its time. */
static int open_sudo(struct kf_unit_hold *hold, struct kf_error *err)
{
	const struct kf_patience patience = within(ANSWER_MS, false);
	struct kf_bus *bus = kf_systemd_bus(hold->systemd, &patience);
	int r;

	/* A sudo takes long, for a no that is known. */
	if (bus && !kf_scope_can(bus, &patience)) {
		kf_fail(err, KF_SERVICE, "this systemd starts no units at a scope's end");
		return 0;
	}
	r = open_by(hold, kf_scope_start_sudo, err);
	for (size_t i = 0; r == 1 && i < hold->count; i++)
		kf_unit_by_sudo(hold->systemd, hold->units[i].name);
	return r;
}

static bool may_scope(struct kf_systemd *systemd, const char *unit)
{
	const struct kf_patience patience = within(ANSWER_MS, false);
	struct kf_bus *bus = kf_systemd_bus(systemd, &patience);

	(void)unit;
	return bus && kf_scope_may(bus, &patience);
}

static bool may_sudo(struct kf_systemd *systemd, const char *unit)
{
	const struct kf_patience patience = within(ANSWER_MS, false);
	struct kf_bus *bus = kf_systemd_bus(systemd, &patience);

	(void)unit;
	return bus && kf_scope_may_sudo(bus, &patience);
}

/* PID 1 has one try to start them: a limit on starts is not to be in its way. */
static int take(struct kf_unit_hold *hold, struct kf_error *err)
{
	int r = kf_way_direct_take(hold, err);

	for (size_t i = 0; r == 0 && i < hold->count; i++)
		if (hold->units[i].stopped)
			kf_unit_forgive(hold->systemd, hold->units[i].name);
	return r;
}

static int run(struct kf_unit_hold *hold, const struct kf_command *command,
	       struct kf_command_end *ret, struct kf_error *err)
{
	struct own *own = hold->own;
	struct kf_command waited = *command;

	waited.waiting = &own->waiting;
	return kf_command_run(&waited, ret, err);
}

/* The scope's end, and with it the start of the units by PID 1. */
static void await_end(struct kf_unit_hold *hold)
{
	const struct kf_patience patience = within(LINGER_MS, true);
	struct kf_bus *bus = kf_systemd_bus(hold->systemd, &patience);
	const struct own *own = hold->own;

	if (bus && kf_bus_wait(bus, own->name, kf_unit_is_down, &patience, NULL) == -ETIMEDOUT)
		hold->options.told(own->name, "COMMAND left processes behind: when they end, "
					      "systemd starts the units once more");
}

static int release(struct kf_unit_hold *hold, struct kf_error *err)
{
	struct own *own = hold->own;
	int r;

	kf_process_cancel(&own->waiting);
	r = kf_way_direct_release(hold, err);
	await_end(hold);
	return r;
}

/* A sudo takes longer than PID 1 does: what that starts is only waited for. */
static int release_sudo(struct kf_unit_hold *hold, struct kf_error *err)
{
	struct own *own = hold->own;

	kf_process_cancel(&own->waiting);
	await_end(hold);
	for (size_t i = 0; i < hold->count; i++) {
		const struct kf_patience patience = within(hold->options.timeout_ms, true);
		struct kf_bus *bus = kf_systemd_bus(hold->systemd, &patience);

		/* What was between two tries may be so for ever. */
		if (!hold->units[i].owed || !bus ||
		    strcmp(hold->units[i].before.active, "active") != 0)
			continue;
		if (kf_bus_wait(bus, hold->units[i].name, kf_unit_is_settled, &patience, NULL) < 0)
			break; /* the start that follows says why */
	}
	return kf_way_direct_release(hold, err);
}

const struct kf_way kf_way_scope = {
	.name = "scope",
	.may = may_scope,
	.open = open_scope,
	.take = take,
	.run = run,
	.release = release,
	.close = close_scope,
};

const struct kf_way kf_way_sudo_scope = {
	.name = "sudo scope",
	.may = may_sudo,
	.open = open_sudo,
	.take = take,
	.run = run,
	.release = release_sudo,
	.close = close_scope,
};
