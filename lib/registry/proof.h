/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * That a board's saved configuration made the firmware that it ran: configs/KEY/proof.json, beside
 * the .config. It names the configuration by its hash, and is lost with any change of it.
 */
#ifndef KF_REGISTRY_PROOF_H
#define KF_REGISTRY_PROOF_H

#include "core/error.h"

struct kf_proof {
	char config_sha256[KF_HEX_SIZE]; /* of the saved .config */
	char image_sha256[KF_HEX_SIZE];	 /* of the image that is the same */
	char version[KF_NAME_SIZE];	 /* of the firmware */
	char time[32];			 /* UTC: 2026-11-29T22:30:00Z */
	bool stamped;			 /* all but the build's stamps were the same bytes */
};

/* The proof of what is saved now. False: there is none, or it was of another configuration. */
bool kf_proof_load(const char *key, struct kf_proof *ret);

/* Note that what is saved now was proved; its hash and the time are filled in. */
_must_check_ int kf_proof_save(const char *key, const char *version, const char *image_sha256,
			       bool stamped, struct kf_error *err);

#endif
