/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the failure of one method means for what comes next. Pure. */
#ifndef KF_FLASH_OUTCOME_H
#define KF_FLASH_OUTCOME_H

#include "core/error.h"

/* The image does not fit this board, says its bootloader: nothing was written. */
bool kf_outcome_refused(enum kf_code code);

/* Another method would do no better, or must not be tried. */
bool kf_outcome_final(enum kf_code code);

#endif
