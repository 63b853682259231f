/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asks the Klippy of a board for the board's configuration. */
#ifndef KF_PRINTER_TELL_H
#define KF_PRINTER_TELL_H

#include "build/configuring.h"
#include "printer/printer.h"

/*
 * 1: its Klippy tells the constants, and its Kconfig where the firmware carries one. 0: it does
 * not, and only the pins that the printer's configuration uses may be set. KF_CONFIG: the Kconfig
 * has a line that Kconfig does not write.
 */
_must_check_ int kf_printers_tell(const struct kf_printers *printers, const struct kf_board *board,
				  struct kf_board_told *ret, struct kf_error *err);

#endif
