/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finds whether the host itself uses a UART. The kernel's console writes into a board's frames, and
 * Bluetooth keeps its port from others. Both are usual on a Raspberry Pi.
 */
#ifndef KF_LINK_UART_OWNER_H
#define KF_LINK_UART_OWNER_H

#include "core/error.h"

/*
 * Is this port free for a board? KF_BUSY: the kernel's console is on it, or Bluetooth has it; the
 * hint says what to change. 0: neither is known. root is "" or, in tests, a folder with dev, proc
 * and sys. (Linux fs/proc/consoles.c; a serdev bus has no tty: drivers/tty/serdev.)
 */
_must_check_ int kf_uart_free(const char *root, const char *path, struct kf_error *err);

#endif
