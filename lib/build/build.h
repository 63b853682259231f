/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One board's build, from a checked configuration to kept firmware, in steps, so that several run
 * side by side (build/builds.h). The source tree is only read: everything is written below
 * $XDG_CACHE_HOME/kalico-flash/build/KEY.
 */
#ifndef KF_BUILD_BUILD_H
#define KF_BUILD_BUILD_H

#include "build/tree.h"
#include "firmware/kconfig.h"

struct kf_build {
	/* The caller fills these. */
	const char *key;
	const struct kf_tree *tree; /* its version is known when make is started */
	const char *config;	    /* the saved configuration's path */
	const char *config_sha256;  /* the hash of its bytes when it was checked */
	const int *tokens;	    /* as in struct kf_make */
	int64_t timeout_ms;
	/* The steps fill these. */
	struct kf_kconfig kconfig;
	char copy[PATH_MAX]; /* of the configuration, for make */
	char out[PATH_MAX];  /* with its trailing slash */
	char log[PATH_MAX], image[PATH_MAX];
	char source[KF_HEX_SIZE];    /* the tree's source hash */
	char build_key[KF_HEX_SIZE]; /* what the firmware is made from */
	int lock, log_fd;
	int64_t started_ms;
};

/*
 * Load the configuration. KF_CONFIG: its file is not what the record says. And as kf_path. On
 * failure too, kf_build_free may be called.
 */
_must_check_ int kf_build_open(struct kf_build *build, struct kf_error *err);
void kf_build_free(struct kf_build *build);

/*
 * Fill build->build_key. source is kf_source_hash's answer, compiler the hash of
 * kf_toolchain_check's. A build's date is not in it: a dirty tree's version ends in date and host,
 * and nothing is flashed again only because time has passed.
 */
void kf_build_set_key(struct kf_build *build, const char source[KF_HEX_SIZE],
		      const char compiler[KF_HEX_SIZE]);

/*
 * If the newest firmware of the board from has this build key: keep it for this board too, where
 * that is another one. *ret is a new reference, the record's "firmware" member with "reused" true.
 * Returns 1; 0: there is no such firmware. Errors as kf_kept_add.
 */
_must_check_ int kf_build_reuse(struct kf_build *build, const char *from, json_t **ret,
				struct kf_error *err);

/*
 * Start make in an empty folder. *ret is its pid. KF_BUSY: another build of this board runs.
 * KF_NO_TOOLCHAIN: no make or python3.
 */
_must_check_ int kf_build_start(struct kf_build *build, pid_t *ret, struct kf_error *err);

/*
 * make has ended: status is wait(2)'s, or waited is kf_process_wait's error. Check its output and
 * keep it; the rest of the folder goes. *ret is a new reference: the record's "firmware" member.
 *
 *   KF_CONFIG        the configuration changed meanwhile
 *   KF_BUILD_FAILED  make failed (its status in the message), or left no image; err->log
 *   KF_TIMEOUT, KF_INTERRUPTED  make and all its children are gone
 *   KF_BAD_IMAGE     what make left cannot be read as firmware
 *   KF_MCU_MISMATCH, KF_WRONG_OFFSET, KF_WRONG_VERSION
 *                    it is not what the configuration and the tree ask for
 *
 * and errors of reading and writing files. Nothing is kept unless all of it succeeded.
 */
_must_check_ int kf_build_finish(struct kf_build *build, int waited, int status, json_t **ret,
				 struct kf_error *err);

#endif
