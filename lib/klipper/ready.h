/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A service that is active may be a Klippy that is not ready: only Klippy itself tells. */
#ifndef KF_KLIPPER_READY_H
#define KF_KLIPPER_READY_H

#include "klipper/klippy.h"

/*
 * Wait until klippy says that it is ready, or why it will not be (error, shutdown), or until
 * deadline_ms what it says then. *ret is its word and, unless it is ready, its reason. False: it
 * has no socket of its own, never answered there, or a stop signal came.
 */
_must_check_ bool kf_klippy_ready(const struct kf_klippy *klippy, int64_t deadline_ms,
				  char ret[KF_NAME_SIZE]);

#endif
