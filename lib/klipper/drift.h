/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the owner of a board saved, against what a source tree makes of it. A symbol that the
 * tree renamed loses its value without a word, and with it may go the MCU (Klipper 906431bb0).
 */
#ifndef KF_KLIPPER_DRIFT_H
#define KF_KLIPPER_DRIFT_H

#include "klipper/kconfig.h"

/*
 * Only what saved sets is compared: architecture, MCU, application address, clock, crystal,
 * communication. What is new in now is no drift. KF_CONFIG_DRIFT: all that differs, both values
 * each; key is for the hint.
 */
_must_check_ int kf_drift_check(const struct kf_kconfig *saved, const struct kf_kconfig *now,
				const char *key, struct kf_error *err);

#endif
