/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Add a board to the registry: find it, propose, ask, check, save. */
#ifndef KF_REGISTRY_ADD_H
#define KF_REGISTRY_ADD_H

#include "registry/device.h"

struct kf_add {
	struct kf_new_device given; /* from the command line; what is empty is asked for */
	int tty;		    /* to ask on, or -1 */
	bool in_rom;		    /* only one that waits in DFU or BOOTSEL may be meant */
};

/* Is there nothing to ask? Key, name and MCU are given. */
bool kf_add_complete(const struct kf_add *request);

/*
 * Register one of the boards in records (an array): the one that the given pattern or port names,
 * else the only one that could be meant, else the one that the user chooses. With a pattern or port
 * the board need not be connected. *ret_board is the board as it is known now.
 *
 *   KF_USAGE              there are questions, but no terminal; the hint has the options
 *   KF_NOTHING_CONNECTED  there is no board to register; with in_rom: none that waits there
 *   KF_CONFIG             all boards, that board, or the key are registered already
 *   KF_AMBIGUOUS          several boards could be meant, or it would be the same as another one
 *   KF_MCU_MISMATCH       the board's name says another MCU
 *   KF_INTERRUPTED        the user left (Ctrl-C, Ctrl-D); nothing was changed
 *
 * and the errors of kf_registry_open and kf_terminal_ask. No lock is held during the questions.
 */
_must_check_ int kf_add_board(const struct kf_add *request, const json_t *records,
			      struct kf_new_device *ret, struct kf_board *ret_board,
			      struct kf_error *err);

#endif
