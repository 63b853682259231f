/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The host's own MCU: a process of this machine that makes a link to its pty. */
#include <errno.h>

#include "core/clock.h"
#include "flash/wire.h"
#include "printer/host-mcu.h"

/* The process answers within this time, or not at all: no event tells of it. */
enum { ANSWER_MS = 5000 };

static int open_klipper(const struct kf_board *board, struct kf_link *ret, struct kf_error *err)
{
	return kf_link_process_open(board->link.path, ret, err);
}

static int come_back(struct kf_monitor *monitor, const struct kf_board *board, int64_t deadline_ms,
		     struct kf_board *ret, struct kf_error *err)
{
	struct kf_error why = { 0 };
	int r = kf_wire_identify(board, kf_within_ms(ANSWER_MS, deadline_ms), ret, &why);

	(void)monitor;
	if (r == 0 || r == -EINTR) {
		if (r < 0 && err)
			*err = why;
		return r;
	}
	kf_fail(err, KF_UNVERIFIED, "it does not answer at %s: %s", board->link.path, why.message);
	kf_host_mcu_hint(board->link.path, err);
	return kf_code_errno(KF_UNVERIFIED);
}

const struct kf_wire_row kf_wire_process = {
	.ask = kf_wire_ask_klipper,
	.open_klipper = open_klipper,
	.come_back = come_back,
};
