/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The host_mcu method: the firmware of the host's own MCU is a program of this machine, which a
 * systemd service runs as root. It takes its place by a rename, so the service has the old or the
 * new one whenever anything fails; the old one stays beside it as PROGRAM.old. What needs root's
 * right is done by install, sync, ln, mv and systemctl, which sudo runs unless we are root; never
 * by kf-leased, which anybody in dialout may ask.
 */
#ifndef KF_FLASH_INSTALL_H
#define KF_FLASH_INSTALL_H

#include "flash/plan.h"
#include "flash/progress.h"

/*
 * Install the planned image for plan->board, restart its service, and wait until that has made the
 * link to its pty anew. *ret_readback is set once the file is in its place and every byte of it was
 * read back. KF_FLASH_FAILED with the log; KF_UNVERIFIED: it makes no link;
 * KF_VERIFY_FAILED; KF_TIMEOUT, KF_INTERRUPTED; errors of kf_host_mcu_find.
 */
_must_check_ int kf_install(const struct kf_plan *plan, int64_t deadline_ms,
			    const struct kf_progress *progress, bool *ret_readback,
			    struct kf_error *err);

#endif
