/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "doctor/finding.h"

const char *kf_health_name(enum kf_health health)
{
	static const char *const names[] = { "ok", "note", "wrong" };

	return names[health];
}

const char *kf_health_mark(enum kf_health health)
{
	static const char *const marks[] = { "[OK]", "[--]", "[!!]" };

	return marks[health];
}
