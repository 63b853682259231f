/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which program runs on a CAN node? Both are asked at once: Klipper ignores the id that is given to
 * a Katapult, and Katapult the one for Klipper (measured), so each hears only what is for it.
 */
#ifndef KF_KATAPULT_CAN_PROBE_H
#define KF_KATAPULT_CAN_PROBE_H

#include "link/can-link.h"

/*
 * Two links to one node, opened for KF_CAN_KATAPULT and for KF_CAN_KLIPPER: with different ids. Ask
 * until one of them brings an answer, then the other once more. KF_AMBIGUOUS: both answer, so two
 * nodes have this UUID. Other errors as kf_link_failed; silence is katapult's.
 */
_must_check_ int kf_can_probe(struct kf_link *katapult, struct kf_link *klipper,
			      int64_t deadline_ms, enum kf_can_application *ret,
			      struct kf_error *err);

#endif
