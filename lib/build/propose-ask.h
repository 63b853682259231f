/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A proposal for a board, and the questions that it leaves open, asked at the terminal. */
#ifndef KF_BUILD_PROPOSE_ASK_H
#define KF_BUILD_PROPOSE_ASK_H

#include "build/from-board.h"
#include "registry/config-note.h"

struct kf_propose_ask {
	const struct kf_from_board *from;
	const struct kf_board *board;
	struct kf_board_told *told;	 /* Katapult's start is added where the user has it asked */
	const struct kf_answers *before; /* answers for this board before; NULL: none */
	bool again;	/* ask all once more, with those for Enter; else they hold as they are */
	bool *ret_told; /* as kf_image_read */
	void (*step)(const char *key, const char *text); /* the proposal, for people; or NULL */
};

/*
 * Propose, then ask one question after the other, with the likely answer for Enter. 1: all are
 * answered. 0: the user, or a question without choices, wants menuconfig to begin with this.
 * *ret_path is the proposal as far as it is answered, a file in the cache; ret has the answers.
 *
 *   KF_NO_CONFIG  there are questions and no terminal: the message names them
 *   KF_NOT_SAVED  the user left
 *   KF_CONFIG     no MCU is known, or none that Klipper is built for
 *
 * and as kf_proposal_make and kf_proposal_complete.
 */
_must_check_ int kf_propose_ask(const struct kf_propose_ask *ask, char ret_path[PATH_MAX],
				struct kf_answers *ret, struct kf_error *err);

#endif
