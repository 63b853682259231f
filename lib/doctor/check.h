/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the checks: the registry, the connected boards, and the report of a finding. */
#ifndef KF_DOCTOR_CHECK_H
#define KF_DOCTOR_CHECK_H

#include "printer/printer.h"
#include "registry/registry.h"
#include "usb/devices.h"

enum kf_health {
	KF_HEALTH_OK,
	KF_HEALTH_NOTE,	 /* not there, or worth knowing: nothing fails for it */
	KF_HEALTH_WRONG, /* something will not work until it is put right */
};

/* One result of a check, for people and programs. */
struct kf_finding {
	const char *check;	    /* "registry", "tree", "toolchain" ...: see doctor.c */
	char subject[KF_NAME_SIZE]; /* the checked thing: a key, a service; may be empty */
	enum kf_health health;
	char message[768]; /* one sentence, clean */
	char remedy[384];  /* what to do; empty: nothing */
};

struct kf_doctor {
	/* Empty if there is none that can be read; with the boards that printers describe. */
	struct kf_registry registry;
	struct kf_printers printers;
	struct kf_boards boards; /* all that is plugged in, with their keys */
	const char *check;	 /* the one that runs */
	int wrong;
	void (*report)(const struct kf_finding *finding);
};

/* Report a finding of the check that runs. subject and remedy may be NULL. */
void kf_doctor_report(struct kf_doctor *doctor, enum kf_health health, const char *subject,
		      const char *remedy, const char *fmt, ...) _printf_(5, 6);

/* The same from an error: its message and its hint. */
void kf_doctor_report_error(struct kf_doctor *doctor, enum kf_health health, const char *subject,
			    const struct kf_error *err);

/* The checks; each reports at least one finding. */
void kf_doctor_registry(struct kf_doctor *doctor);
void kf_doctor_configs(struct kf_doctor *doctor);
void kf_doctor_firmware(struct kf_doctor *doctor);
void kf_doctor_trees(struct kf_doctor *doctor);
void kf_doctor_toolchain(struct kf_doctor *doctor);
void kf_doctor_methods(struct kf_doctor *doctor);
void kf_doctor_rights(struct kf_doctor *doctor);
void kf_doctor_links(struct kf_doctor *doctor);
void kf_doctor_wires(struct kf_doctor *doctor);
void kf_doctor_grabbers(struct kf_doctor *doctor);
void kf_doctor_services(struct kf_doctor *doctor);
void kf_doctor_printers(struct kf_doctor *doctor);
void kf_doctor_space(struct kf_doctor *doctor);
void kf_doctor_clock(struct kf_doctor *doctor);

#endif
