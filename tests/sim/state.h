/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A board between two runs of kf-sim: a line with its mode, then its flash. */
#ifndef SIM_STATE_H
#define SIM_STATE_H

#include "board/board.h"
#include "sim/flash.h"

/* A missing file is a new board: flash and mode stay as they are. KF_CONFIG: not a state file. */
_must_check_ int sim_state_load(const char *path, struct sim_flash *flash, enum kf_mode *mode,
				struct kf_error *err);
_must_check_ int sim_state_save(const char *path, const struct sim_flash *flash, enum kf_mode mode,
				struct kf_error *err);

#endif
