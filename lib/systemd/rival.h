/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who else has a unit down, or will start it: a scope of another hold's, which the unit names
 * as OnSuccessOf=, a sentinel, which has its lock, or a lease, whose debt is a file.
 */
#ifndef KF_SYSTEMD_RIVAL_H
#define KF_SYSTEMD_RIVAL_H

#include "systemd/way.h"

/* KF_BUSY: another hold's scope stands, or its sentinel, and will have the unit started under us.
 */
_must_check_ int kf_rival_check(struct kf_systemd *systemd, const struct kf_held *unit,
				struct kf_error *err);

/* KF_BUSY: unit is leased, as kf-leased's debts beside its socket tell. */
_must_check_ int kf_rival_lease(const struct kf_held *unit, struct kf_error *err);

/*
 * Both may have looked before either scope stood. Who came later, by PID 1's clock, waits here
 * for the end of the other, through any stop signal: were own to end now, the units would start.
 */
void kf_rival_await(struct kf_unit_hold *hold, const char *own);

#endif
