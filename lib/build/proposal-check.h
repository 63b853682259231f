/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A configuration against what a board, its bootloader and its printer told: its open questions. */
#ifndef KF_BUILD_PROPOSAL_CHECK_H
#define KF_BUILD_PROPOSAL_CHECK_H

#include "build/proposal.h"

/*
 * Compare with what olddefconfig made of kf_proposal_text: what did not stand becomes a question,
 * and each question gets its choices. Call it again after an answer: others may show or go.
 */
void kf_proposal_settle(struct kf_proposal *proposal, const struct kf_tree *tree,
			const struct kf_told *told, const struct kf_kconfig *updated);

/*
 * Compare the facts that a board told with the configuration that a tree has updated: MCU, clock,
 * wire and its speed, Katapult's start. True: they differ, and ret has both values of each
 * difference, "; " between. False: they agree, and ret is "".
 */
bool kf_told_differs(const struct kf_told *told, const struct kf_kconfig *updated, char *ret,
		     size_t size);

#endif
