/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All boards of one run: planned together, before anything is stopped or touched. */
#ifndef KF_FLASH_BATCH_H
#define KF_FLASH_BATCH_H

#include "flash/bus-users.h"
#include "flash/hold.h"
#include "flash/plan.h"
#include "flash/print-guard.h"

/* One record, its plan and its result. */
struct kf_job {
	json_t *record;	       /* borrowed from the batch's array */
	struct kf_board board; /* as the record has it */
	struct kf_plan plan;
	struct kf_bus_users users; /* of a board on CAN, or of a process */
	bool planned;		   /* plan is to be flashed, or says why it is skipped */
	struct kf_error err;	   /* code other than KF_OK: why there is no plan */
};

struct kf_batch {
	struct kf_job *list;
	size_t count;
	struct kf_print_guard guard;
	struct kf_hold hold; /* the units that have the ports of the boards to flash */
};

/*
 * Look at what is plugged in and plan each record of the array (which must outlive the batch); a
 * board whose plan fails gets its error in its job and its record, in tool's name, and does not
 * stop the others. A board also fails if it may belong to a Klippy whose print state is unknown
 * (unless batch->guard.while_unknown), or if a Klippy prints over its CAN bus. Fails only where
 * nothing can be planned at all: no registry, no memory.
 */
_must_check_ int kf_batch_plan(json_t *records, const struct kf_flash_options *options,
			       const char *tool, struct kf_batch *batch, struct kf_error *err);

/*
 * Name what has to be stopped for the boards that are to be flashed (batch->hold, which may have
 * units of the user's already), after asking each printer that this would stop: the last look
 * before kf_hold_exec. A board that cannot be freed gets its error as above; with a unit of
 * the user's that prints, every board does.
 */
void kf_batch_hold(struct kf_batch *batch, const char *tool);
void kf_batch_free(struct kf_batch *batch);

/* Is there a board to be flashed, as far as can be told without touching it? */
bool kf_batch_any(const struct kf_batch *batch);

#endif
