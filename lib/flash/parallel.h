/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Boards on different USB ports, UARTs and CAN buses side by side, the nodes of one bus one after
 * the other and its bridge last: a process for each, which dies with us and passes on what became
 * of its board. Results come in the order of the records.
 */
#ifndef KF_FLASH_PARALLEL_H
#define KF_FLASH_PARALLEL_H

#include "flash/batch.h"

struct kf_parallel {
	size_t jobs; /* at once; 0: as many as there are boards */
	/* Bring one job to its end, in its record. May be called in a process of its own. */
	void (*run)(struct kf_job *job, void *arg);
	/* Called first in such a process: its messages have to be whole lines. */
	void (*begin)(void *arg);
	/* Called in the parent when the descriptor news (-1: there is none) can be read, and every
	 * tick_ms. */
	void (*tick)(void *arg);
	int news;
	int64_t tick_ms; /* 0: never */
	/* The process of this job has died. */
	void (*lost)(struct kf_job *job, const struct kf_error *err);
	/* Called once this job and all jobs before it have ended. */
	int (*done)(const struct kf_job *job, void *arg, struct kf_error *err);
	void *arg;
};

/*
 * Run every job to its end, also after a stop signal, which all processes get. The error is the
 * first that done returned; done is not called again after it.
 */
_must_check_ int kf_parallel_run(struct kf_batch *batch, const struct kf_parallel *p,
				 struct kf_error *err);

#endif
