/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The units that have to be stopped for a flash: those that hold the boards' ports, no others.
 * Stopping and restoring is kf-service's job; kf-flash becomes its COMMAND.
 */
#ifndef KF_FLASH_HOLD_H
#define KF_FLASH_HOLD_H

#include "board/board.h"
#include "systemd/unit.h"

struct kf_hold {
	char units[KF_UNITS_MAX][KF_NAME_SIZE]; /* each once (kf_unit_add) */
	size_t count;
	bool off; /* nothing may be stopped */
};

/*
 * Name the unit that holds this board's port, if any. KF_BUSY if the holder is not in a printer's
 * unit (whose name has klipper, kalico or moonraker in it) and was not named before: other programs
 * are not stopped.
 */
_must_check_ int kf_hold_holder(struct kf_hold *hold, const struct kf_board *board,
				struct kf_error *err);

/* Is the holder of the port in a unit that would be stopped for it? */
bool kf_hold_stops(const struct kf_hold *hold, const struct kf_holder *holder);

/* KF_BUSY: names the process that has the board's port, and how to end it. */
_must_check_ int kf_hold_busy(const struct kf_board *board, struct kf_error *err);

/*
 * Become "kf-service hold --wait=S -u UNIT... -- argv[0] --no-service argv[1]...", with records (a
 * JSON array) as its standard input, a line each; while_unknown adds --while-unknown. Returns only
 * on failure.
 */
_must_check_ int kf_hold_exec(const struct kf_hold *hold, int64_t wait_ms, bool while_unknown,
			      char *const *argv, const json_t *records, struct kf_error *err);

#endif
