/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Baud rates that termios(3) has no name for: Klipper's 250000 is one. */
#ifndef KF_LINK_BAUD_H
#define KF_LINK_BAUD_H

#include "core/base.h"

/*
 * Set both directions of a tty to any rate (ioctl_tty(2), TCSETS2). -ENOTTY or -EINVAL:
 * not a tty that knows of it; another negative errno.
 */
_must_check_ int kf_baud_set(int fd, unsigned baud);

#endif
