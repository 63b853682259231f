/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Registering a board from start to end: choose, propose, ask, check, save. */
#ifndef KF_CORE_REGISTER_H
#define KF_CORE_REGISTER_H

#include "core/enrol.h"

struct kf_register {
	struct kf_enrolment given; /* what the user said already; empty: to be asked */
	int tty;		   /* for questions, or -1 */
};

/* Is there nothing left to ask? Key, name and MCU are given. */
bool kf_register_complete(const struct kf_register *request);

/*
 * Register one of the boards in records (an array): the one that pattern or port name, else the
 * only one that could be meant, else the one that the user chooses. With a pattern or
 * port given, the board need not be there. *ret_board is the board as it is known now, not
 * connected if it was not there.
 *
 *   KF_USAGE              questions are left and there is no terminal; the hint has the options
 *   KF_NOTHING_CONNECTED  no board to register
 *   KF_CONFIG             all are registered already, or the one on that port, or the key is taken
 *   KF_AMBIGUOUS          several could be meant, or it would be the same board as another
 *   KF_MCU_MISMATCH       the MCU is another than the board's name says
 *   KF_INTERRUPTED        the user left; nothing was changed
 *
 * and what the registry said. No lock is held while a person thinks.
 */
_must_check_ int kf_register_board(const struct kf_register *request, const json_t *records,
				   struct kf_enrolment *ret, struct kf_board *ret_board,
				   struct kf_error *err);

/* What *ret_board is now, in words that follow "is". */
const char *kf_register_told(const struct kf_board *board);

#endif
