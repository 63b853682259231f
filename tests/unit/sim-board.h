/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A simulated board in a unit test, with a clock that the test moves. */
#ifndef TESTS_UNIT_SIM_BOARD_H
#define TESTS_UNIT_SIM_BOARD_H

#include <stdio.h>
#include <stdlib.h>

#include "sim/board.h"

static int64_t now_us;

/* The board of a SPEC (kf-sim(1)), plugged in. unplug() frees it. */
static inline struct sim_board *plug(const char *text)
{
	struct sim_board *b = malloc(sizeof(*b));
	struct kf_error err = { 0 };
	struct sim_spec spec;

	now_us = 1;
	if (!b || sim_spec_parse(text, &spec, &err) < 0 || sim_board_init(b, &spec, &err) < 0) {
		printf("# %s: %s\n", text, err.message);
		abort();
	}
	return b;
}

static inline void unplug(struct sim_board *b)
{
	sim_board_free(b);
	free(b);
}

static inline void pass(struct sim_board *b, int64_t us)
{
	now_us += us;
	sim_board_run(b, now_us);
}

#endif
