/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who else has a unit down, or will start it: a scope of another hold's, which the unit names
 * as OnSuccessOf=, a sentinel, whose lock has the unit's name, or a lease, whose debt is a file.
 * Holds begin one at a time, so that each finds such a trace of those before.
 */
#ifndef KF_SYSTEMD_RIVAL_H
#define KF_SYSTEMD_RIVAL_H

#include "systemd/way.h"

/* KF_BUSY: another hold's scope, or sentinel, stands, and will have the unit started under us. */
_must_check_ int kf_rival_check(struct kf_systemd *systemd, const struct kf_held *unit,
				struct kf_error *err);

/* KF_BUSY: unit is leased, as kf-leased's debts beside its socket tell. */
_must_check_ int kf_rival_lease(const struct kf_held *unit, struct kf_error *err);

/* Leave a sentinel's trace, for as long as *ret is open in any process. KF_BUSY: there is one. */
_must_check_ int kf_rival_claim(const char *unit, int *ret, struct kf_error *err);

/* Wait until no other hold begins: none does while hold->turn is open. KF_BUSY: one still does. */
_must_check_ int kf_rival_turn(struct kf_unit_hold *hold, struct kf_error *err);

#endif
