/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ask a running firmware what it is (Klipper docs/Protocol.md, "Data dictionary": identify). */
#ifndef KF_MCU_IDENTIFY_H
#define KF_MCU_IDENTIFY_H

#include "firmware/dictionary.h"

/*
 * fd is an open port with Klipper behind it (never Katapult: a Klipper frame wedges
 * it). Silence and lost blocks are asked again until deadline_ms. -ETIMEDOUT, -ENODEV,
 * -EINTR, -EPROTO, or what the dictionary said.
 */
_must_check_ int kf_klipper_identify(int fd, int64_t deadline_ms, struct kf_dictionary *ret,
				     struct kf_error *err);

/* The same, as the dictionary's JSON text; the caller frees *ret_json, which has no NUL. */
_must_check_ int kf_klipper_dictionary(int fd, int64_t deadline_ms, char **ret_json,
				       size_t *ret_len, struct kf_error *err);

#endif
