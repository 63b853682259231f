/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is owed: units that were stopped and have to run again, a file each, named as the
 * unit, its text what it did before ("active"). Written before the stop, gone after the start.
 */
#ifndef KF_SYSTEMD_DEBT_H
#define KF_SYSTEMD_DEBT_H

#include "core/error.h"

#define KF_DEBTS_MAX 64

struct kf_debt {
	char unit[KF_NAME_SIZE];
	char active[32];
};

_must_check_ int kf_debt_write(const char *dir, const char *unit, const char *active,
			       struct kf_error *err);

/* It is paid, or given up. */
_must_check_ int kf_debt_remove(const char *dir, const char *unit, struct kf_error *err);

/* All that are owed; the number of them. A folder that is not there is none. */
_must_check_ int kf_debt_list(const char *dir, struct kf_debt ret[KF_DEBTS_MAX],
			      struct kf_error *err);

/*
 * Start all that are owed, waiting for each, and forget them. KF_SERVICE_LOST: not all run;
 * the hint is the command to type. Those that nobody could be asked for stay owed.
 */
_must_check_ int kf_debt_pay(const char *dir, int64_t timeout_ms,
			     void (*told)(const char *unit, const char *news),
			     struct kf_error *err);

#endif
