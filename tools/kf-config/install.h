/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kf add's second half: the first firmware of a board that waits in DFU or BOOTSEL. */
#ifndef KF_TOOLS_KF_CONFIG_INSTALL_H
#define KF_TOOLS_KF_CONFIG_INSTALL_H

#include "commands.h"

/*
 * Before anything is asked: is the file of --bootloader a Katapult? Its MCU is that of the board
 * then, unless it was given. KF_BAD_IMAGE, KF_MCU_MISMATCH, and what reading it says.
 */
_must_check_ int install_check(struct args *args, struct kf_error *err);

/*
 * board has just been registered. If it waits in DFU or BOOTSEL: install Katapult where
 * --bootloader names one, then Klipper, if the user says so; at last it is known by its serial
 * number. The work is that of kf-flash and kf flash. Returns their exit status, or an error.
 */
_must_check_ int install_first(const struct args *args, const struct kf_board *board,
			       struct kf_error *err);

#endif
