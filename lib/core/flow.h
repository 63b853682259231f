/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What kf does for a person: scan, choose boards, run the stages on them. Each stage is over before
 * the next one starts, so that nothing acts on an incomplete list.
 */
#ifndef KF_CORE_FLOW_H
#define KF_CORE_FLOW_H

#include "core/error.h"

struct kf_flow {
	const char *command;	 /* as in "kf flash": to tell what to type instead */
	const char *verb;	 /* asks "VERB this board?"; NULL: all boards, no question */
	bool all;		 /* every registered board, no question */
	bool absent;		 /* boards that are not connected are worked on like the others */
	const char *const *keys; /* these boards, no question; NULL-terminated */
	/* Each stage's argv, and a NULL; argv[0] is a path. Of the first, kf-scan, only that
	 * counts. */
	const char *const *const *stages;
	void (*found)(const char *boards); /* told before the question: "1 board: octopus-pro" */
};

/*
 * Returns the exit status: that of the last stage, which gets every board, also those that failed
 * before. A stage that does not hand on all boards has failed as a whole: then its status, and no
 * later stage starts. 128 + N after a stop signal, but 71 (a service was lost) outranks that.
 * ret->message is what the stages themselves could not say about it, or empty.
 *
 * Calls kf_stop_install(); a stop signal is passed on to the stage that runs, and it has ended when
 * this returns. The stages stay in our process group: Ctrl-C at the terminal reaches them.
 */
_must_check_ int kf_flow_run(const struct kf_flow *flow, struct kf_error *ret);

#endif
