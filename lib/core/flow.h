/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What kf does for a person: scan, choose boards, run the pipe on them. The scan is over
 * before the pipe starts, so that nothing acts on an incomplete list.
 */
#ifndef KF_CORE_FLOW_H
#define KF_CORE_FLOW_H

#include "core/error.h"

struct kf_flow {
	const char *command;	 /* as in "kf flash": to tell what to type instead */
	const char *verb;	 /* asks "VERB this board?"; NULL: all boards, no question */
	bool all;		 /* every registered board, no question */
	const char *const *keys; /* these boards, no question; NULL-terminated */
	/* Each stage's argv and a NULL; argv[0] is a path. Of the first, kf-scan, only that counts.
	 */
	const char *const *const *stages;
	/* The same for a filter that sees the boards first, before a stage works for those that it
	 * fails; NULL: none.
	 */
	const char *const *check;
	void (*found)(const char *boards); /* told before the question: "1 board: octopus-pro" */
};

/*
 * Returns the exit status. ret->message is what the stages themselves could not say about it,
 * or empty. Calls kf_stop_install(); a stop signal is passed on to the stages, and all of them
 * have ended when this returns.
 */
_must_check_ int kf_flow_run(const struct kf_flow *flow, struct kf_error *ret);

#endif
