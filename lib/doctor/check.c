/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "doctor/check.h"

void kf_doctor_report(struct kf_doctor *doctor, enum kf_health health, const char *subject,
		      const char *remedy, const char *fmt, ...)
{
	struct kf_finding finding = { .check = doctor->check, .health = health };
	char message[sizeof(finding.message)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	kf_text_clean(finding.message, sizeof(finding.message), message, strlen(message));
	if (subject)
		kf_text_clean(finding.subject, sizeof(finding.subject), subject, strlen(subject));
	if (remedy)
		kf_text_clean(finding.remedy, sizeof(finding.remedy), remedy, strlen(remedy));
	doctor->wrong += health == KF_HEALTH_WRONG;
	doctor->report(&finding, doctor->arg);
}

void kf_doctor_report_error(struct kf_doctor *doctor, enum kf_health health, const char *subject,
			    const struct kf_error *err)
{
	kf_doctor_report(doctor, health, subject, err->hint, "%s", err->message);
}
