/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What firmware a board runs, by its own word or by that of the Klippy that drives it. */
#ifndef KF_FLASH_RUNS_H
#define KF_FLASH_RUNS_H

#include "core/board.h"
#include "klipper/dictionary.h"

/* What does the firmware on this port say that it is? Errors are kf_klipper_identify's. */
_must_check_ int kf_runs_identify(const struct kf_board *board, int64_t within_ms,
				  struct kf_dictionary *ret, struct kf_error *err);

/*
 * Its version; of a board whose port is in use, what its Klippy was told when it connected.
 * Negative: neither tells.
 */
_must_check_ int kf_runs_version(const struct kf_board *board, char ret[KF_NAME_SIZE]);

#endif
