/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A unit is owed from before anything is asked to stop, for one may take others along, until it
 * is seen running. A stop that failed half-way (timeout, signal, lost connection) is therefore
 * paid for too.
 */
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "systemd/way.h"

static int open_direct(struct kf_unit_hold *hold, struct kf_error *err)
{
	(void)hold;
	(void)err;
	return 1;
}

/* What was down stays untouched: nobody would start it again, had it been started meanwhile. */
static int leave_alone(struct kf_unit_hold *hold, const struct kf_held *unit, struct kf_error *err)
{
	char news[KF_NAME_SIZE];
	struct kf_unit_state now;
	int r;

	r = kf_unit_state(hold->systemd, unit->name, &now, err);
	if (r == 0 && kf_unit_is_up(&now)) {
		r = kf_fail(err, KF_BUSY, "%s has started meanwhile", unit->name);
		kf_error_hint(err, "run the same command again");
	}
	if (r == 0) /* it may still be on its way down */
		r = kf_unit_stop(hold->systemd, unit->name,
				 unit->since_ms + hold->options.timeout_ms, err);
	if (r < 0)
		return r;
	kf_text_format(news, sizeof(news), "%s: left alone", unit->before.active);
	hold->options.told(unit->name, news);
	return 0;
}

int kf_way_direct_take(struct kf_unit_hold *hold, struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; i < hold->count; i++)
		hold->units[i].owed = kf_unit_is_up(&hold->units[i].before);
	for (size_t i = 0; r == 0 && i < hold->count; i++) {
		struct kf_held *unit = &hold->units[i];

		unit->since_ms = kf_now_ms();
		if (!unit->owed) {
			r = leave_alone(hold, unit, err);
			continue;
		}
		r = kf_unit_stop(hold->systemd, unit->name,
				 unit->since_ms + hold->options.timeout_ms, err);
		unit->stopped = r == 0;
		if (r == 0)
			hold->options.told(unit->name, "stopped");
	}
	return r;
}

/* Running, or at least what it was doing before: a unit that restarts for ever does again. */
static int give_back(struct kf_unit_hold *hold, struct kf_held *unit, struct kf_error *err)
{
	struct kf_unit_state now;
	char news[KF_NAME_SIZE];
	int r;

	r = kf_unit_start(hold->systemd, unit->name, kf_now_ms() + hold->options.timeout_ms, err);
	if (r < 0 && (kf_unit_state(hold->systemd, unit->name, &now, NULL) < 0 ||
		      !kf_unit_is_up(&now) || strcmp(now.active, unit->before.active) != 0))
		return r;
	unit->owed = false;
	kf_text_format(news, sizeof(news), "started, %s again after %.1f s", unit->before.active,
		       (double)(kf_now_ms() - unit->since_ms) / 1000);
	hold->options.told(unit->name, unit->stopped ? news : "runs as before");
	return 0;
}

int kf_way_direct_release(struct kf_unit_hold *hold, struct kf_error *err)
{
	struct kf_error why, first;
	char lost[256] = "";

	for (size_t i = hold->count; i-- > 0;) {
		struct kf_held *unit = &hold->units[i];

		if (!unit->owed || give_back(hold, unit, &why) == 0)
			continue;
		if (!lost[0])
			first = why;
		kf_text_add(lost, sizeof(lost), " ", unit->name);
	}
	return lost[0] ? kf_way_lost(first.message, lost, err) : 0;
}

const struct kf_way kf_way_direct = {
	.name = "direct",
	.open = open_direct,
	.take = kf_way_direct_take,
	.release = kf_way_direct_release,
};
