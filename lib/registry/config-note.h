/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Three notes beside a board's saved configuration: configs/KEY/proof.json, answers.json and
 * choice.json. Each names the .config by its SHA-256 in "config_sha256": a note of an earlier
 * .config counts as none.
 */
#ifndef KF_REGISTRY_CONFIG_NOTE_H
#define KF_REGISTRY_CONFIG_NOTE_H

#include "core/error.h"

/* The note that the saved configuration made the firmware which the board ran. */
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

/*
 * The note that the saved configuration was proposed, with the answers of a person, if there were
 * questions. An answer may be wrong, and is corrected or asked again until a flash has shown that
 * it is right.
 */
enum { KF_ANSWERS_MAX = 12 };

struct kf_answer {
	char symbol[80], value[16]; /* "STM32_CLOCK_REF_12M", "y" */
};

struct kf_answers {
	size_t count;
	struct kf_answer list[KF_ANSWERS_MAX];
	int64_t time_s; /* Unix time at which they were given */
};

/* The answers for the configuration that is saved now. False: it was not proposed. */
bool kf_answers_load(const char *key, struct kf_answers *ret);

/* Note that what is saved now was made with them; the hash and the time are filled in. */
_must_check_ int kf_answers_save(const char *key, const struct kf_answers *answers,
				 struct kf_error *err);

/* Add an answer; without room it is left out, and will be asked again. */
void kf_answers_add(struct kf_answers *answers, const char *symbol, const char *value);

/*
 * The note that the user was shown what is saved beside the Kconfig that the board's firmware
 * carries, which has this SHA-256, and chose what is saved.
 */
bool kf_choice_noted(const char *key, const char *board_sha256);
_must_check_ int kf_choice_save(const char *key, const char *board_sha256, struct kf_error *err);

#endif
