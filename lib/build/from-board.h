/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The configuration that the firmware of a board carries. */
#ifndef KF_BUILD_FROM_BOARD_H
#define KF_BUILD_FROM_BOARD_H

#include "build/configuring.h"

enum { KF_DIFFERS_SIZE = 512 };

/*
 * Write the Kconfig that the firmware carries to a file in the cache: 1, and its path, for
 * kf_kconfig_update's from. Where another one is saved, both are completed by the tree and
 * compared; the user says once which to take, or c->accept_difference does. 0: what is saved is
 * kept.
 *
 *   KF_NO_CONFIG          the firmware carries none
 *   KF_CONFIG_DIFFERENCE  they differ, and nobody can be asked; or the tree makes something else
 *                         of it than the board's constants say: both values each
 *
 * and as kf_olddefconfig.
 */
_must_check_ int kf_from_board(const struct kf_configure *c, const char *key,
			       const struct kf_facts *facts, char ret_path[PATH_MAX],
			       struct kf_error *err);

/*
 * Compare the saved configuration with the board's in the same way, before it is used. 1: the user
 * takes the board's, as above. 0: the saved one is used; a user who chose it is not asked about
 * these two again. Where nobody can be asked, or with c->yes, ret_differs has both values of each
 * difference; else it is "".
 *
 *   KF_NOT_SAVED  the user left the question
 *
 * and, where the two could not be compared, as kf_from_board.
 */
_must_check_ int kf_from_board_differs(const struct kf_configure *c, const char *key,
				       const struct kf_facts *facts, char ret_path[PATH_MAX],
				       char ret_differs[KF_DIFFERS_SIZE], struct kf_error *err);

/* configs/KEY/NAME in the cache, and its lock: only one process may use it at a time. */
_must_check_ int kf_from_board_place(const char *key, const char *name, int64_t wait_ms,
				     char ret_dir[PATH_MAX], int *ret_lock, struct kf_error *err);

#endif
