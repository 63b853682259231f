/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who has a port open: /proc/PID/fd, and the systemd unit by /proc/PID/cgroup. */
#ifndef KF_USB_HOLDER_H
#define KF_USB_HOLDER_H

#include "core/board.h"

/*
 * Fill the holder of each board that has a tty; one walk over /proc for all. Our own
 * process does not count. Processes of other users are seen only as far as /proc
 * shows them: pid 0 then means "nobody that we may see".
 */
void kf_holders_find(struct kf_board *boards, size_t count);

/* The service in one /proc/PID/cgroup text ("klipper.service"); false if in none. */
bool kf_unit_from_cgroup(const char *text, char ret[KF_NAME_SIZE]);

#endif
