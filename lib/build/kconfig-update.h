/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A board's saved configuration, made fit for the tree as it is now. Everything happens
 * on copies below $XDG_CACHE_HOME/kalico-flash/configs/KEY; the saved file is written only
 * where the user says so (menuconfig, --accept-difference, --from) and the result is for the
 * board's MCU.
 */
#ifndef KF_BUILD_KCONFIG_UPDATE_H
#define KF_BUILD_KCONFIG_UPDATE_H

#include "build/configuring.h"
#include "firmware/kconfig-difference.h"

struct kf_kconfig_update {
	const struct kf_configure *c;
	const struct kf_board *board;
	const char *from;     /* take this file instead of what is saved; NULL: do not */
	const char *proposal; /* menuconfig begins with this text; NULL: with what is saved */
};

/*
 * Run olddefconfig on a copy and check what comes out. ret_path is the copy, for the build
 * to use; it is replaced atomically and only when its bytes change. The caller frees *ret. ret_lost
 * is kf_kconfig_lost's.
 *
 *   KF_NO_CONFIG     nothing is saved for this board
 *   KF_CONFIG_DIFFERENCE  the tree makes something else of it: kf_kconfig_compare(); or the
 *                    board is on USB, and the configuration talks over something else
 *   KF_MCU_MISMATCH  both values in the message
 *   KF_BUILD_FAILED  make olddefconfig failed; its last line, and err->log
 *   KF_BUSY          another process is at this board's configuration, perhaps in menuconfig
 *
 * and what kf_tree_make and kf_kconfig_load say: then neither the copy nor what is saved has
 * changed. Returns 1 if a configuration was saved, that of m->from or an accepted difference; what
 * was saved before is beside it in .config.old.
 */
_must_check_ int kf_kconfig_bring_up(const struct kf_kconfig_update *m, char ret_path[PATH_MAX],
				     struct kf_kconfig *ret, char ret_lost[KF_LOST_SIZE],
				     struct kf_error *err);

/*
 * menuconfig on the terminal c->tty, with m->proposal, a copy of what is saved, or nothing. Returns
 * 1 when the user saved and the result was good (it is saved now), 0 when the user did not save.
 * Errors as above except KF_NO_CONFIG; a result for another MCU stays where the message says.
 */
_must_check_ int kf_menuconfig(const struct kf_kconfig_update *m, struct kf_error *err);

#endif
