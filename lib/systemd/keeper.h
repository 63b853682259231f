/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Units that are kept down for as long as somebody claims them: each is stopped once, by the
 * first claim, and comes back once, with the last. What is owed is on record (debt.h) from
 * before a stop until the unit has been seen running.
 */
#ifndef KF_SYSTEMD_KEEPER_H
#define KF_SYSTEMD_KEEPER_H

#include <systemd/sd-event.h>

#include "systemd/debt.h"

struct kf_keeper;
struct kf_claim;

enum kf_claim_state {
	KF_CLAIM_TAKING,
	KF_CLAIM_STOPPED,   /* it ran, and was stopped for this claim */
	KF_CLAIM_HELD,	    /* it is down already, for another claim */
	KF_CLAIM_INACTIVE,  /* it does not run, and nobody owes it */
	KF_CLAIM_FAILED,    /* see kf_claim_error */
	KF_CLAIM_RETURNING, /* released from here on */
	KF_CLAIM_STARTED,
	KF_CLAIM_SHARED, /* another claim keeps it down */
	KF_CLAIM_QUIT,	 /* nothing was owed for it */
	KF_CLAIM_LOST,	 /* it did not start; see kf_claim_error */
};

struct kf_keeper_options {
	const char *dir;    /* of the debts; stays the caller's */
	int64_t timeout_ms; /* for one unit to stop or to start, if nobody says how long */
	/* What was done with a unit; err or NULL. */
	void (*told)(const char *unit, const char *news, const struct kf_error *err);
};

/* Also begins to pay the debts that an earlier life left. */
_must_check_ int kf_keeper_new(sd_event *event, const struct kf_keeper_options *options,
			       struct kf_keeper **ret, struct kf_error *err);
void kf_keeper_free(struct kf_keeper **keeper);
/* Nothing is claimed, nothing under way. */
bool kf_keeper_is_idle(const struct kf_keeper *keeper);

/*
 * Have unit kept down: its name as of kf_lease_unit. The longest timeout_ms of its claims
 * counts; 0: the options'. changed is called when the claim's state
 * has become another one; it may call nothing of the keeper's. KF_BUSY: too many units.
 */
_must_check_ int kf_claim_new(struct kf_keeper *keeper, const char *unit, int64_t timeout_ms,
			      void (*changed)(void *arg), void *arg, struct kf_claim **ret,
			      struct kf_error *err);

/* No longer: it is, or becomes, one of the later states. */
void kf_claim_release(struct kf_claim *claim);

/* Release it without hearing of it. */
void kf_claim_free(struct kf_claim **claim);

enum kf_claim_state kf_claim_state(const struct kf_claim *claim);
const struct kf_error *kf_claim_error(const struct kf_claim *claim);
const char *kf_claim_unit(const struct kf_claim *claim);

#endif
