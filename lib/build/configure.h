/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A record's "config" member: the board's configuration, edited if need be, updated, checked. */
#ifndef KF_BUILD_CONFIGURE_H
#define KF_BUILD_CONFIGURE_H

#include "build/from-board.h"
#include "firmware/kconfig-difference.h"
#include "registry/config-note.h"

struct kf_configured {
	char path[PATH_MAX];	       /* the updated copy, for the build */
	struct kf_kconfig kconfig;     /* the caller frees it */
	const char *saved;	       /* what was saved just now, for people: "; saved", or "" */
	char lost[KF_LOST_SIZE];       /* symbols that the tree no longer has, or "" */
	char differs[KF_DIFFERS_SIZE]; /* from what the firmware carries; nobody was asked */
	int days;		       /* since it was saved */
	bool proved;		       /* what is saved made what the board ran: see proof */
	struct kf_proof proof;
};

/* Is this board to be configured: registered, not excluded, and one of those that are wanted? */
bool kf_configure_wants(const struct kf_configure *c, const struct kf_board *board);

/*
 * If nothing is saved, the Kconfig that the firmware carries is taken, else a proposal with its
 * questions; with c->menuconfig, menuconfig opens with that. Answers that led to the saved
 * configuration are corrected, or asked again, until a flash has shown that they are right
 * (docs/proposals.md).
 *
 * KF_NOT_REGISTERED, KF_NO_TREE, KF_NOT_SAVED (nothing was saved now, and before neither, or the
 * user does not want to go on with that), KF_MCU_MISMATCH (what the firmware says, against its USB
 * name), and as kf_menuconfig, kf_kconfig_bring_up, kf_propose_ask and kf_from_board; with prove
 * kf_prove_board, and KF_CONFIG_DIFFERENCE: another configuration than the saved one was proved.
 */
_must_check_ int kf_configure_board(struct kf_configure *c, const struct kf_board *board,
				    struct kf_configured *ret, struct kf_error *err);

/* Tell the user about the saved configuration: line is called once for each sentence. */
void kf_configure_tell(const struct kf_configured *done, const char *key,
		       void (*line)(const char *key, const char *text));

/* The record's "config" member, a new reference. */
json_t *kf_configure_member(const struct kf_configured *done);

#endif
