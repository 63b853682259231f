/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Several makes that share one number of jobs (GNU make's manual, "POSIX Jobserver
 * Interaction"). Each make may always run one job; for each further one it takes a token out of a
 * pipe, and puts it back. So every make that is started must be given one of our slots, and
 * the slots that no make has are the tokens.
 */
#ifndef KF_BUILD_JOBSERVER_H
#define KF_BUILD_JOBSERVER_H

#include "core/error.h"

#define KF_JOBSERVER_SIZE 64

struct kf_jobserver {
	int fds[3];	/* the pipe's ends, and -1: a list for kf_process.keep */
	unsigned slots; /* with nobody: neither a make's nor in the pipe */
};

/* jobs is at least 1. Close with kf_jobserver_close. */
_must_check_ int kf_jobserver_open(unsigned jobs, struct kf_jobserver *ret, struct kf_error *err);
void kf_jobserver_close(struct kf_jobserver *server);

/* A slot for a make that is about to start; false: none is left, wait for a make to end. */
bool kf_jobserver_take(struct kf_jobserver *server);

/* A make has ended. Tokens that it died with are lost: the others go on with fewer jobs. */
void kf_jobserver_give(struct kf_jobserver *server);

/* No further make can start now: the slots left are for those that run. */
void kf_jobserver_lend(struct kf_jobserver *server);

/* "MAKEFLAGS=...", as make 4.2 and later understand it. */
void kf_jobserver_flags(const struct kf_jobserver *server, char ret[KF_JOBSERVER_SIZE]);

#endif
