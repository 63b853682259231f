/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Check whether this machine can build and flash. Nothing is changed. */
#ifndef KF_DOCTOR_DOCTOR_H
#define KF_DOCTOR_DOCTOR_H

#include "core/error.h"

enum kf_health {
	KF_HEALTH_OK,
	KF_HEALTH_NOTE,	 /* not there, or worth knowing: nothing fails for it */
	KF_HEALTH_WRONG, /* something will not work until it is put right */
};

/* One result of a check, for people and programs. */
struct kf_finding {
	const char *check;	    /* "registry", "tree", "toolchain" ...: see doctor.c */
	char subject[KF_NAME_SIZE]; /* what was looked at: a key, a service; may be empty */
	enum kf_health health;
	char message[768]; /* one sentence, clean */
	char remedy[384];  /* what to do; empty: nothing */
};

/*
 * Run all checks, and report each finding as it is made. Returns how many are wrong, or
 * KF_INTERRUPTED after a stop signal. A check that cannot look reports that as a finding.
 */
_must_check_ int kf_doctor_run(void (*report)(const struct kf_finding *finding),
			       struct kf_error *err);

#endif
