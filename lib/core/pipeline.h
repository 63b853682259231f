/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Programs joined by pipes, as a shell joins them, and one verdict on all of them. The
 * stages stay in our process group, so that Ctrl-C at the terminal reaches every one.
 */
#ifndef KF_CORE_PIPELINE_H
#define KF_CORE_PIPELINE_H

#include "core/error.h"

enum { KF_STAGES_MAX = 8 };

struct kf_stage {
	const char *const *argv; /* NULL-terminated; argv[0] as in core/process.h */
	int status;		 /* as a shell shows it: 0-255, or 128 + signal */
	int signal;		 /* the signal that killed it, or 0 */
	unsigned order;		 /* how many stages were seen to end before this one */
	bool stopped;		 /* told to stop because a later stage had failed */
};

/*
 * Run count stages, the first with in as its input, the last with out as its output (-1:
 * /dev/null), and wait until every one has ended, whatever happens: a stop signal
 * (core/clock.h) is passed on to the stages and their endings are still waited for. When a
 * stage fails as a whole (status 64 or more), the stages before it work for nothing: they get
 * SIGTERM.
 *
 * Returns 0 with each stage's outcome filled in. If a stage cannot be started: its exec's
 * failure, after the others have been ended.
 */
_must_check_ int kf_pipeline_run(struct kf_stage *stages, size_t count, int in, int out,
				 struct kf_error *err);

/*
 * The exit status of the whole: 71 (a service was lost) outranks all; then 128 + stop_signal
 * if that is not 0; then the first stage that failed as a whole, passing over those that only
 * failed because a later one had; then 1 if a board failed; else 0. *ret is the stage that
 * decided, or NULL.
 */
int kf_pipeline_status(const struct kf_stage *stages, size_t count, int stop_signal,
		       const struct kf_stage **ret);

/*
 * What the stages' own messages do not tell about the one that decided: that a signal killed
 * it (KF_INTERNAL), or that a later one complained after it (KF_IO). False: nothing to add.
 */
bool kf_pipeline_explain(const struct kf_stage *stages, size_t count, const struct kf_stage *cause,
			 struct kf_error *ret);

#endif
