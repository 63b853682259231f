/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The bootloader of an AVR behind a UART. A board whose port is opened is reset by DTR, and its
 * bootloader waits for a programmer: an ATmega2560's goes on to wait for as long as it receives
 * anything, so a firmware that is asked every 200 ms would never start.
 */
#ifndef KF_MCU_AVR_BOOTLOADER_H
#define KF_MCU_AVR_BOOTLOADER_H

#include "link/link.h"

/*
 * Tell it to start the firmware, as Klipper's host does (stk500v2_leave() of klippy/serialhdl.py).
 * Also where firmware runs already, which drops the message. Afterwards the link has its baud
 * again. Errors as kf_serial_open and kf_link_failed; silence is none.
 */
_must_check_ int kf_avr_bootloader_leave(struct kf_link *link, int64_t deadline_ms,
					 struct kf_error *err);

#endif
