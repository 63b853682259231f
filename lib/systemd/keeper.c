/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A unit's mover goes where its claims want it: down while there is one, up while there is
 * none and it is owed. Whatever changes, steer() looks at these two again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "systemd/keeper.h"
#include "systemd/mover.h"

struct kf_claim {
	struct kf_claim *next;
	struct unit *unit;
	enum kf_claim_state state;
	struct kf_error err;
	void (*changed)(void *arg);
	void *arg;
};

struct unit {
	struct unit *next;
	struct kf_keeper *keeper;
	struct kf_debt debt;
	struct kf_mover *mover;
	struct kf_claim *claims;
	int64_t timeout_ms; /* the longest that was asked for */
	bool owed, down;    /* down: that is where it is, or where it goes */
	bool moving;
	bool seen, let_go; /* on its way down: seen to run; allowed to stop */
};

struct kf_keeper {
	sd_event *event;
	struct kf_keeper_options options;
	struct unit *units;
};

/* Released claims want nothing; a failed one still has to be released. */
static bool is_wanted(const struct unit *unit)
{
	for (const struct kf_claim *claim = unit->claims; claim; claim = claim->next)
		if (claim->state < KF_CLAIM_RETURNING)
			return true;
	return false;
}

static bool is_awaited(const struct unit *unit)
{
	for (const struct kf_claim *claim = unit->claims; claim; claim = claim->next)
		if (claim->state == KF_CLAIM_TAKING)
			return true;
	return false;
}

/* All claims of unit that are in one state get another; the first of them may get its own. */
static void turn(struct unit *unit, enum kf_claim_state from, enum kf_claim_state first,
		 enum kf_claim_state to, const struct kf_error *err)
{
	for (struct kf_claim *claim = unit->claims; claim; claim = claim->next) {
		if (claim->state != from)
			continue;
		claim->state = first;
		first = to;
		if (err)
			claim->err = *err;
		claim->changed(claim->arg);
	}
}

/*
 * One that stops may take others along, which then nobody would have seen to run: none is
 * stopped while another is still looked at.
 */
static void let_go(struct kf_keeper *keeper)
{
	for (const struct unit *unit = keeper->units; unit; unit = unit->next)
		if (unit->moving && unit->down && !unit->seen)
			return;
	for (struct unit *unit = keeper->units; unit; unit = unit->next) {
		if (!unit->moving || !unit->down || unit->let_go)
			continue;
		unit->let_go = true;
		kf_mover_stop(unit->mover);
	}
}

static void steer(struct unit *unit)
{
	bool wanted = is_wanted(unit);

	if (wanted && is_awaited(unit) && !(unit->moving && unit->down)) {
		unit->moving = unit->down = true;
		unit->seen = unit->let_go = false;
		kf_mover_down(unit->mover, unit->timeout_ms);
	} else if (!wanted && unit->owed && !(unit->moving && !unit->down)) {
		unit->moving = true;
		unit->down = false;
		kf_mover_up(unit->mover, unit->debt.active, unit->timeout_ms);
	} else if (!wanted && !unit->owed && unit->moving) {
		/* It was only looked at, or seen ending by itself. */
		unit->moving = false;
		kf_mover_stay(unit->mover);
	}
	if (wanted)
		turn(unit, KF_CLAIM_RETURNING, KF_CLAIM_SHARED, KF_CLAIM_SHARED, NULL);
	else if (!unit->moving)
		turn(unit, KF_CLAIM_RETURNING, KF_CLAIM_QUIT, KF_CLAIM_QUIT, NULL);
	let_go(unit->keeper);
}

static void forget(struct unit *unit)
{
	struct unit **at = &unit->keeper->units;

	if (unit->claims || unit->moving)
		return;
	while (*at != unit)
		at = &(*at)->next;
	*at = unit->next;
	kf_mover_free(&unit->mover);
	free(unit);
}

static int stopping(void *arg, const char *active, struct kf_error *err)
{
	struct unit *unit = arg;
	int r = 0;

	if (!unit->owed) {
		kf_text_format(unit->debt.active, sizeof(unit->debt.active), "%s", active);
		r = kf_debt_write(unit->keeper->options.dir, unit->debt.unit, active, err);
	}
	if (r < 0)
		return r;
	unit->owed = unit->seen = true;
	unit->let_go = false; /* it is asked for once more after a lost connection */
	let_go(unit->keeper);
	return 0;
}

static void is_down(struct unit *unit, bool was_up, const struct kf_error *err)
{
	enum kf_claim_state others = unit->owed ? KF_CLAIM_HELD : KF_CLAIM_INACTIVE;

	if (err)
		return turn(unit, KF_CLAIM_TAKING, KF_CLAIM_FAILED, KF_CLAIM_FAILED, err);
	if (was_up)
		unit->keeper->options.told(unit->debt.unit, "stopped", NULL);
	turn(unit, KF_CLAIM_TAKING, was_up ? KF_CLAIM_STOPPED : others, others, NULL);
}

/* What did not start has been tried: its debt stays on record for whoever comes after us. */
static void is_up(struct unit *unit, const struct kf_error *err)
{
	struct kf_error why;

	unit->owed = false;
	if (!err && kf_debt_remove(unit->keeper->options.dir, unit->debt.unit, &why) < 0)
		unit->keeper->options.told(unit->debt.unit, "its debt stays", &why);
	unit->keeper->options.told(unit->debt.unit, err ? "lost" : "started", err);
	if (err)
		turn(unit, KF_CLAIM_RETURNING, KF_CLAIM_LOST, KF_CLAIM_LOST, err);
	else
		turn(unit, KF_CLAIM_RETURNING, KF_CLAIM_STARTED, KF_CLAIM_STARTED, NULL);
}

static void done(void *arg, bool was_up, const struct kf_error *err)
{
	struct unit *unit = arg;

	unit->moving = false;
	if (unit->down)
		is_down(unit, was_up, err);
	else
		is_up(unit, err);
	steer(unit);
	forget(unit);
}

/* The unit of that name, new if it has to be. NULL: err says why not. */
static struct unit *get_unit(struct kf_keeper *keeper, const char *name, struct kf_error *err)
{
	struct kf_mover_owner owner = { .stopping = stopping, .done = done };
	struct unit *unit;
	size_t count = 0;
	int r;

	for (unit = keeper->units; unit; unit = unit->next) {
		if (strcmp(unit->debt.unit, name) == 0)
			return unit;
		count += unit->owed || unit->moving;
	}
	if (count >= KF_DEBTS_MAX) {
		kf_fail(err, KF_BUSY, "%d units are held already", KF_DEBTS_MAX);
		return NULL;
	}
	unit = calloc(1, sizeof(*unit));
	owner.arg = unit;
	r = unit ? kf_mover_new(keeper->event, name, &owner, &unit->mover) : -ENOMEM;
	if (r < 0) {
		kf_fail_sys(err, -r, "%s", name);
		free(unit);
		return NULL;
	}
	kf_text_format(unit->debt.unit, sizeof(unit->debt.unit), "%s", name);
	unit->keeper = keeper;
	unit->next = keeper->units;
	keeper->units = unit;
	return unit;
}

int kf_keeper_new(sd_event *event, const struct kf_keeper_options *options, struct kf_keeper **ret,
		  struct kf_error *err)
{
	_cleanup_(kf_keeper_free) struct kf_keeper *keeper = calloc(1, sizeof(*keeper));
	struct kf_debt debts[KF_DEBTS_MAX];
	struct unit *unit;
	int count;

	if (!keeper)
		return kf_fail_sys(err, ENOMEM, "leases");
	keeper->event = sd_event_ref(event);
	keeper->options = *options;
	count = kf_debt_list(options->dir, debts, err);
	if (count < 0)
		return count;
	for (int i = 0; i < count; i++) {
		unit = get_unit(keeper, debts[i].unit, err);
		if (!unit)
			return -ENOMEM;
		unit->debt = debts[i];
		unit->timeout_ms = options->timeout_ms;
		unit->owed = true;
		steer(unit);
	}
	*ret = keeper;
	keeper = NULL; /* the caller's now */
	return 0;
}

/* What is owed stays on record. */
void kf_keeper_free(struct kf_keeper **keeper)
{
	struct unit *unit, *next;

	for (unit = *keeper ? (*keeper)->units : NULL; unit; unit = next) {
		next = unit->next;
		kf_mover_free(&unit->mover);
		free(unit);
	}
	if (*keeper)
		sd_event_unref((*keeper)->event);
	free(*keeper);
	*keeper = NULL;
}

bool kf_keeper_is_idle(const struct kf_keeper *keeper)
{
	return !keeper->units;
}

int kf_claim_new(struct kf_keeper *keeper, const char *name, int64_t timeout_ms,
		 void (*changed)(void *arg), void *arg, struct kf_claim **ret, struct kf_error *err)
{
	struct kf_claim *claim = calloc(1, sizeof(*claim)), **at;
	struct unit *unit;

	if (!claim)
		return kf_fail_sys(err, ENOMEM, "%s", name);
	unit = get_unit(keeper, name, err);
	if (!unit) {
		free(claim);
		return -EBUSY;
	}
	if (timeout_ms == 0)
		timeout_ms = keeper->options.timeout_ms;
	if (timeout_ms > unit->timeout_ms)
		unit->timeout_ms = timeout_ms;
	*claim = (struct kf_claim){ .unit = unit, .changed = changed, .arg = arg };
	for (at = &unit->claims; *at; at = &(*at)->next)
		;
	*at = claim;
	steer(unit);
	*ret = claim;
	return 0;
}

void kf_claim_release(struct kf_claim *claim)
{
	if (claim->state >= KF_CLAIM_RETURNING)
		return;
	claim->state = KF_CLAIM_RETURNING;
	steer(claim->unit);
}

void kf_claim_free(struct kf_claim **claim)
{
	struct unit *unit = *claim ? (*claim)->unit : NULL;
	struct kf_claim **at;

	if (!unit)
		return;
	for (at = &unit->claims; *at != *claim; at = &(*at)->next)
		;
	*at = (*claim)->next;
	free(*claim);
	*claim = NULL;
	steer(unit);
	forget(unit);
}

enum kf_claim_state kf_claim_state(const struct kf_claim *claim)
{
	return claim->state;
}

const struct kf_error *kf_claim_error(const struct kf_claim *claim)
{
	return &claim->err;
}

const char *kf_claim_unit(const struct kf_claim *claim)
{
	return claim->unit->debt.unit;
}
