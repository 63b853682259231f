/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One result of a check, for people and programs. */
#ifndef KF_DOCTOR_FINDING_H
#define KF_DOCTOR_FINDING_H

#include "core/base.h"

enum kf_health {
	KF_HEALTH_OK,
	KF_HEALTH_NOTE,	 /* not there, or worth knowing: nothing fails for it */
	KF_HEALTH_WRONG, /* something will not work until it is put right */
};

struct kf_finding {
	const char *check;	    /* "registry", "tree", "toolchain" ...: see doctor.c */
	char subject[KF_NAME_SIZE]; /* the checked thing: a key, a service; may be empty */
	enum kf_health health;
	char message[768]; /* one sentence, clean */
	char remedy[384];  /* what to do; empty: nothing */
};

#endif
