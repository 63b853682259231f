/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The checks in the order in which a person would put things right. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "doctor/doctor.h"

static const struct {
	const char *name;
	void (*make)(struct kf_doctor *doctor);
} checks[] = {
	{ "registry", kf_doctor_registry },   { "tree", kf_doctor_trees },
	{ "toolchain", kf_doctor_toolchain }, { "config", kf_doctor_configs },
	{ "firmware", kf_doctor_firmware },   { "method", kf_doctor_methods },
	{ "rights", kf_doctor_rights },	      { "by-id", kf_doctor_links },
	{ "wire", kf_doctor_wires },	      { "grabber", kf_doctor_grabbers },
	{ "service", kf_doctor_services },    { "printer", kf_doctor_printers },
	{ "space", kf_doctor_space },	      { "clock", kf_doctor_clock },
};

void kf_doctor_report(struct kf_doctor *doctor, enum kf_health health, const char *subject,
		      const char *remedy, const char *fmt, ...)
{
	struct kf_finding finding = { .check = doctor->check, .health = health };
	char message[sizeof(finding.message)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	KF_CLEAN(finding.message, message);
	if (subject)
		KF_CLEAN(finding.subject, subject);
	if (remedy)
		KF_CLEAN(finding.remedy, remedy);
	doctor->wrong += health == KF_HEALTH_WRONG;
	doctor->report(&finding);
}

void kf_doctor_report_error(struct kf_doctor *doctor, enum kf_health health, const char *subject,
			    const struct kf_error *err)
{
	kf_doctor_report(doctor, health, subject, err->hint, "%s", err->message);
}

int kf_doctor_run(void (*report)(const struct kf_finding *finding), struct kf_error *err)
{
	struct kf_doctor doctor = { .registry = { .lock = -1 }, .report = report };
	int r = 0;

	for (size_t i = 0; i < KF_ARRAY_SIZE(checks) && r == 0; i++) {
		doctor.check = checks[i].name;
		checks[i].make(&doctor);
		if (kf_stop_signal())
			r = kf_fail_stopped(err);
	}
	kf_boards_free(&doctor.boards);
	kf_printers_free(&doctor.printers);
	kf_registry_close(&doctor.registry);
	return r < 0 ? r : doctor.wrong;
}
