/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ask a running firmware what it is (Klipper docs/Protocol.md, "Data dictionary": identify). */
#ifndef KF_MCU_IDENTIFY_H
#define KF_MCU_IDENTIFY_H

#include "firmware/dictionary.h"
#include "link/link.h"

/*
 * link has Klipper behind it (never Katapult: a Klipper frame wedges it). It is attached first.
 * Silence and lost blocks are asked again until deadline_ms. -EPROTO, what kf_link_failed says, or
 * what the dictionary said.
 */
_must_check_ int kf_klipper_identify(struct kf_link *link, int64_t deadline_ms,
				     struct kf_dictionary *ret, struct kf_error *err);

/* The same, as the dictionary's JSON text; the caller frees *ret_json, which has no NUL. */
_must_check_ int kf_klipper_dictionary(struct kf_link *link, int64_t deadline_ms, char **ret_json,
				       size_t *ret_len, struct kf_error *err);

#endif
