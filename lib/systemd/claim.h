/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A claim says that somebody holds a unit: a name that one socket on the machine can have, of
 * whichever user (unix(7), abstract sockets). It ends with the last process that has it open,
 * whatever that died of.
 */
#ifndef KF_SYSTEMD_CLAIM_H
#define KF_SYSTEMD_CLAIM_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/error.h"

/* *ret is to be closed in each process that inherits it. KF_BUSY: another has the claim. */
_must_check_ int kf_claim_take(const char *unit, int *ret, struct kf_error *err);

/* *ret is who took the claim: that process may be gone, and others have it open. */
bool kf_claim_stands(const char *unit, pid_t *ret);

/* KF_BUSY, in words for the user. */
int kf_claim_refuse(const char *unit, pid_t taker, struct kf_error *err);

#endif
