/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The checks in the order in which a person would put things right. */
#include "doctor/doctor.h"
#include "core/clock.h"
#include "doctor/check.h"

static const struct {
	const char *name;
	void (*make)(struct kf_doctor *doctor);
} checks[] = {
	{ "registry", kf_doctor_registry },   { "tree", kf_doctor_trees },
	{ "toolchain", kf_doctor_toolchain }, { "config", kf_doctor_configs },
	{ "firmware", kf_doctor_firmware },   { "method", kf_doctor_methods },
	{ "rights", kf_doctor_rights },	      { "by-id", kf_doctor_links },
	{ "grabber", kf_doctor_grabbers },    { "service", kf_doctor_services },
	{ "printer", kf_doctor_printers },    { "space", kf_doctor_space },
	{ "clock", kf_doctor_clock },
};

int kf_doctor_run(void (*report)(const struct kf_finding *finding, void *arg), void *arg,
		  struct kf_error *err)
{
	struct kf_doctor doctor = { .registry = { .lock = -1 }, .report = report, .arg = arg };
	int r = 0;

	for (size_t i = 0; i < KF_ARRAY_SIZE(checks) && r == 0; i++) {
		doctor.check = checks[i].name;
		checks[i].make(&doctor);
		if (kf_stop_signal())
			r = kf_fail_stopped(err);
	}
	kf_boards_free(&doctor.boards);
	kf_registry_close(&doctor.registry);
	return r < 0 ? r : doctor.wrong;
}
