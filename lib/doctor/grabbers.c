/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Does a port grabber run, and which boards would it open? */
#include "usb/grabbers.h"
#include "core/text.h"
#include "doctor/check.h"

static void check_grabber(struct kf_doctor *doctor, const struct kf_grabber *grabber)
{
	int pid = (int)kf_grabber_process(grabber);
	size_t wanted = 0;

	for (size_t i = 0; pid && i < doctor->boards.count; i++) {
		const struct kf_board *board = &doctor->boards.list[i];
		char remedy[sizeof(((struct kf_finding *)0)->remedy)];

		if (!kf_grabber_wants(grabber, board))
			continue;
		wanted++;
		kf_text_format(remedy, sizeof(remedy), "%s%s%s", grabber->remedy[0],
			       board->usb.vendor, grabber->remedy[1]);
		kf_doctor_report(doctor, KF_HEALTH_WRONG, grabber->name, remedy,
				 "it runs (process %d) and may open %s as %s", pid,
				 kf_board_label(board), grabber->opens_as);
	}
	if (!pid)
		kf_doctor_report(doctor, KF_HEALTH_OK, grabber->name, NULL, "it does not run");
	else if (!wanted)
		kf_doctor_report(doctor, grabber->mark ? KF_HEALTH_OK : KF_HEALTH_NOTE,
				 grabber->name, NULL,
				 "it runs (process %d), and does not open the boards that are "
				 "plugged in",
				 pid);
}

void kf_doctor_grabbers(struct kf_doctor *doctor)
{
	for (size_t i = 0; i < KF_GRABBERS; i++)
		check_grabber(doctor, &kf_grabbers[i]);
}
