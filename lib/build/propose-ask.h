/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A proposal for a board, and the questions that it leaves open, asked at the terminal. */
#ifndef KF_BUILD_PROPOSE_ASK_H
#define KF_BUILD_PROPOSE_ASK_H

#include "build/from-board.h"
#include "registry/config-note.h"

/* A configuration that is begun: complete, or for menuconfig to begin with. */
struct kf_new_config {
	char path[PATH_MAX]; /* of a file in the cache */
	char *text; /* of it, for menuconfig to begin with; NULL: it is to be saved; owned */
	struct kf_answers before, answers; /* those that the saved one was made with; and now */
	bool proposed;			   /* not carried by the firmware */
	char differs[KF_DIFFERS_SIZE];	   /* as kf_from_board_differs has it */
	bool again;			   /* ours: ask those before once more */
};

/*
 * Propose, then ask one question after the other, with the likely answer for Enter. 1: all are
 * answered. 0: the user, or a question without choices, wants menuconfig to begin with this. The
 * file b->path is the proposal as far as it is answered, and b->answers has the answers. Those in
 * b->before hold as they are, or with b->again are the likely ones. told gets Katapult's start if
 * the user has it asked.
 *
 *   KF_NO_CONFIG  there are questions and no terminal: the message names them
 *   KF_NOT_SAVED  the user left
 *   KF_CONFIG     no MCU is known, or none that Klipper is built for
 *
 * and as kf_proposal_make and kf_proposal_complete.
 */
_must_check_ int kf_propose_ask(struct kf_configure *c, const struct kf_board *board,
				struct kf_board_told *told, struct kf_new_config *b,
				struct kf_error *err);

#endif
