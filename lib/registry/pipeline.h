/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pipeline of kf: scan, choose boards, run the stages on them. Each stage ends before the next
 * one starts, so that none acts on an incomplete list.
 */
#ifndef KF_REGISTRY_PIPELINE_H
#define KF_REGISTRY_PIPELINE_H

#include "core/error.h"

struct kf_pipeline {
	const char *command;	 /* such as "flash" in "kf flash", for the hint */
	const char *verb;	 /* asks "VERB this board?"; NULL: all boards, no question */
	bool all;		 /* every registered board, no question */
	bool update;		 /* the first stage is kf-status: only what is behind, asked once */
	bool yes;		 /* update without the question */
	bool empty;		 /* nothing is registered: there are no keys to name */
	bool absent;		 /* boards that are not connected are worked on like the others */
	const char *const *keys; /* these boards, no question; NULL-terminated */
	/* Each stage's argv, and a NULL; argv[0] is a path. Of the first stage, kf-scan, only
	 * argv[0] is used. */
	const char *const *const *stages;
	void (*found)(const char *boards); /* called before the question: "1 board: octopus-pro" */
	void (*told)(const char *line);	   /* update: gets each line that comes first */
};

/*
 * Returns the exit status of the last stage, which reads all records, also those of boards that
 * failed before. A stage that does not write a record for each board has failed as a whole: its
 * status is returned, and no later stage starts. After a stop signal N: 128 + N, unless the stage
 * said 71 (a service was lost). ret->message is empty if the stages have reported all.
 *
 * Calls kf_stop_install(). A stop signal is passed on to the running stage, which has ended when
 * this returns. The stages stay in our process group: Ctrl-C at the terminal reaches them.
 */
_must_check_ int kf_pipeline_run(const struct kf_pipeline *pipeline, struct kf_error *ret);

#endif
