/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A board tells facts of its configuration, and its firmware may carry the whole of it. */
#ifndef KF_BUILD_FROM_BOARD_H
#define KF_BUILD_FROM_BOARD_H

#include "build/proposal.h"

/* The answers of a board, its bootloader and its printer. Zeroed: none. */
struct kf_board_told {
	struct kf_facts facts; /* owned */
	bool katapult;	       /* it is in Katapult, which starts the application at ... */
	uint32_t katapult_start;
	bool no_bootloader; /* its chip's ROM has looked: firmware starts at the flash's start */
	char mcu[64];	    /* by Katapult; "": see the facts */
	char version[KF_NAME_SIZE]; /* that it runs; "": not told, or it is in Katapult */
	bool has_pins;
	struct kf_pins pins; /* of the printer's configuration */
};

void kf_board_told_free(struct kf_board_told *told);

/* Both together, for a proposal; points into them. */
struct kf_told kf_told_of(const struct kf_board *board, const struct kf_board_told *told);

/* Ask a board; on failure *ret is untouched. */
typedef int kf_tell(const struct kf_board *board, struct kf_board_told *ret, struct kf_error *err);

enum { KF_DIFFERS_SIZE = 512 };

struct kf_from_board {
	const struct kf_tree *tree;
	const char *key;
	int tty;		     /* where the user may be asked, or -1 */
	bool take;		     /* take the board's without a question */
	int64_t timeout_ms, wait_ms; /* of olddefconfig, and for another make in the tree */
};

/*
 * Write the Kconfig that the firmware carries to a file in the cache: 1, and its path, for
 * kf_kconfig_update's from. Where another one is saved, both are completed by the tree and
 * compared; the user says once which to take. 0: what is saved is kept.
 *
 *   KF_NO_CONFIG          the firmware carries none
 *   KF_CONFIG_DIFFERENCE  they differ, and nobody can be asked; or the tree makes something else
 *                         of it than the board's constants say: both values each
 *
 * and as kf_olddefconfig.
 */
_must_check_ int kf_from_board(const struct kf_from_board *from, const struct kf_facts *facts,
			       char ret_path[PATH_MAX], struct kf_error *err);

/*
 * Compare the saved configuration with the board's in the same way, before it is used. 1: the user
 * takes the board's, as above. 0: the saved one is used; a user who chose it is not asked about
 * these two again. Where nobody can be asked, ret_differs has both values of each difference; else
 * it is "".
 *
 *   KF_NOT_SAVED  the user left the question
 *
 * and, where the two could not be compared, as kf_from_board.
 */
_must_check_ int kf_from_board_differs(const struct kf_from_board *from,
				       const struct kf_facts *facts, char ret_path[PATH_MAX],
				       char ret_differs[KF_DIFFERS_SIZE], struct kf_error *err);

/* configs/KEY/NAME in the cache, and its lock: only one process may use it at a time. */
_must_check_ int kf_from_board_place(const struct kf_from_board *from, const char *name,
				     char ret_dir[PATH_MAX], int *ret_lock, struct kf_error *err);

#endif
