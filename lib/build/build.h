/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One board's build, from a checked configuration to kept firmware, in steps, so that several
 * run side by side (build/builds.h). The source tree is used without touching it: everything is
 * written below $XDG_CACHE_HOME/kalico-flash/build/KEY.
 */
#ifndef KF_BUILD_BUILD_H
#define KF_BUILD_BUILD_H

#include "build/tree.h"
#include "firmware/kconfig.h"

struct kf_build {
	const char *key;
	const struct kf_tree *tree; /* its version is known where make is started */
	const char *config;	    /* the saved configuration's path */
	const char *config_sha256;  /* what its bytes must be */
	const struct kf_jobserver *jobserver;
	bool clean; /* also where nothing changed */
	int64_t timeout_ms;
};

/* A build under way. Made by kf_build_open; the caller frees it, which unlocks the folder. */
struct kf_work {
	const struct kf_build *build;
	char config[PATH_MAX], lock_path[PATH_MAX], log[PATH_MAX];
	char out[PATH_MAX]; /* with its trailing slash */
	char image_path[PATH_MAX], dictionary[PATH_MAX];
	struct kf_kconfig kconfig;
	char source[KF_HEX_SIZE];    /* of the tree */
	char build_key[KF_HEX_SIZE]; /* what the firmware is made from: the same, the same firmware
				      */
	int lock, log_fd;
	int64_t started_ms;
};

/*
 * The configuration loaded. KF_CONFIG: its file is not what the record says. And as kf_path. On
 * failure too, kf_work_free may be called.
 */
_must_check_ int kf_build_open(const struct kf_build *build, struct kf_work *ret,
			       struct kf_error *err);
void kf_work_free(struct kf_work *work);

/*
 * What it will be made from: work->build_key. source is kf_source_hash's answer, compiler is that
 * of kf_toolchain_check. A build's date is not in it: a dirty tree's version ends in date and host,
 * and nothing is flashed again only because time has passed.
 */
void kf_build_key(struct kf_work *work, const char source[KF_HEX_SIZE],
		  const char compiler[KF_HEX_SIZE]);

/*
 * The board's newest firmware has this build key: *ret is a new reference, the record's "firmware"
 * member with "reused" true. Returns 1; 0: there is something to build.
 */
int kf_build_reuse(const struct kf_work *work, json_t **ret);

/*
 * Start make in an empty folder. *ret is its pid. KF_BUSY: another build of this board runs.
 * KF_NO_TOOLCHAIN: no make or python3.
 */
_must_check_ int kf_build_start(struct kf_work *work, pid_t *ret, struct kf_error *err);

/*
 * make has ended: status is wait(2)'s, or waited is what kf_process_wait said. Check its output
 * and keep it; the rest of the folder goes. *ret is a new reference: the record's "firmware"
 * member.
 *
 *   KF_CONFIG        the configuration changed meanwhile
 *   KF_BUILD_FAILED  make failed (its status in the message), or left no image; err->log
 *   KF_TIMEOUT, KF_INTERRUPTED  make and all its children are gone
 *   KF_BAD_IMAGE     what make left cannot be read as firmware
 *   KF_MCU_MISMATCH, KF_WRONG_OFFSET, KF_WRONG_VERSION
 *                    it is not what the configuration and the tree ask for
 *
 * and what files said. Nothing is kept unless all of it succeeded.
 */
_must_check_ int kf_build_finish(struct kf_work *work, int waited, int status, json_t **ret,
				 struct kf_error *err);

/*
 * Keep for this board too what the build of the board from, of the same build key, gave: firmware,
 * its record's member.
 */
_must_check_ int kf_build_share(struct kf_work *work, const char *from, const json_t *firmware,
				json_t **ret, struct kf_error *err);

#endif
