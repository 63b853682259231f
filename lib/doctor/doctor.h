/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Check whether this machine can build and flash. Nothing is changed. */
#ifndef KF_DOCTOR_DOCTOR_H
#define KF_DOCTOR_DOCTOR_H

#include "doctor/check.h"

/*
 * Run all checks, and report each finding as it is made. Returns how many are wrong, or
 * KF_INTERRUPTED after a stop signal. A check that cannot look reports that as a finding.
 */
_must_check_ int kf_doctor_run(void (*report)(const struct kf_finding *finding),
			       struct kf_error *err);

#endif
