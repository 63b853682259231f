/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long to wait, and whether a stop signal ends it: not when we pay what we owe. */
#ifndef KF_SYSTEMD_PATIENCE_H
#define KF_SYSTEMD_PATIENCE_H

#include "core/clock.h"

struct kf_patience {
	int64_t deadline_ms;
	bool through; /* stop signals wait until we are done */
};

/* kf_wait() or kf_wait_through(), until deadline_ms or the patience's own, if that is sooner. */
static inline int kf_wait_patiently(const struct kf_patience *patience, struct pollfd *fds,
				    nfds_t count, int64_t deadline_ms)
{
	if (deadline_ms > patience->deadline_ms)
		deadline_ms = patience->deadline_ms;
	return patience->through ? kf_wait_through(fds, count, deadline_ms)
				 : kf_wait(fds, count, deadline_ms);
}

#endif
