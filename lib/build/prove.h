/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which configuration made the firmware that a board runs? The board's own revision is checked out
 * aside and built for each candidate, what the board runs is read (kf-flash --read), and the bytes
 * are compared. The user's tree is only read, and nothing is written to the board.
 */
#ifndef KF_BUILD_PROVE_H
#define KF_BUILD_PROVE_H

#include "build/configuring.h"

enum { KF_PROVE_MAX = 8 }; /* configurations that are built */

struct kf_proved {
	char *config; /* the whole .config, as that revision completes it; owned */
	bool saved;   /* it is the saved one: config is not what is to be saved */
	char *before; /* the saved one, completed likewise; NULL: nothing is saved; owned */
	char from[KF_NAME_SIZE]; /* "the saved configuration", "the proposal, 12 MHz crystal" */
	char image_sha256[KF_HEX_SIZE];
	char version[KF_NAME_SIZE];
	bool stamped; /* all but the build's stamps are the same */
};

void kf_proved_free(struct kf_proved *proved);

/*
 * Candidates are the saved configuration and the Kconfig that the firmware carries, then the
 * proposal with each choice of its open questions. Klipper is stopped by kf-flash alone, while it
 * reads. told is what the board has told, and c->told is as for kf_image_read. *ret, which the
 * caller frees, is untouched on failure.
 *
 *   KF_NOT_PROVED    no candidate made it, which the message says of each; or it cannot be built
 *                    again: its version names no commit, the tree was changed, or does not know it
 *   KF_NO_KATAPULT   there is none for its chip: nothing could read it
 *   KF_NO_TOOLCHAIN, KF_BUILD_FAILED  no candidate can be built; err->log
 *   KF_BUSY          another kf-config proves this board
 *
 * as kf_aside_open, kf_proposal_make and kf_proposal_complete, and what kf-flash put into the
 * record.
 */
_must_check_ int kf_prove_board(struct kf_configure *c, const struct kf_board *board,
				const struct kf_board_told *told, struct kf_proved *ret,
				struct kf_error *err);

#endif
