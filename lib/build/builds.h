/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Many boards' builds at once, with never more compilers than jobs. Each tree is examined once;
 * firmware whose build key did not change is not built; boards with the same tree, configuration
 * and compiler share one build, and each keeps its own firmware.
 */
#ifndef KF_BUILD_BUILDS_H
#define KF_BUILD_BUILDS_H

#include "build/tree.h"

struct kf_built {
	const char *key;
	const char *dir; /* of the tree, as the user wrote it */
	const char *config, *config_sha256;
	/* The result: */
	json_t *firmware; /* the record's member, a reference of the caller's; or NULL and err */
	struct kf_error err;
};

enum kf_build_event {
	KF_BUILD_STARTS, /* make runs; text is the tree */
	KF_BUILD_RUNS,	 /* every tick_ms; text is the last line of its log, and how many files it
			    has compiled */
	KF_BUILD_SHARES, /* it waits for the build of another board; text is that board's key */
	KF_BUILD_ENDS,	 /* built->firmware or built->err is there */
};

struct kf_builds_options {
	unsigned jobs;	    /* at least 1 */
	int64_t timeout_ms; /* of each make */
	int64_t wait_ms;    /* for another kalico-flash in a tree that only one make can use */
	int64_t tick_ms;    /* 0: no KF_BUILD_RUNS */
	bool clean;	    /* from nothing, even if nothing changed */
	void (*event)(const struct kf_built *built, enum kf_build_event event, const char *text,
		      void *data);
	void *data;
};

/*
 * Every board of the list ends with firmware or err (errors as build/build.h and build/tree.h,
 * and KF_NO_TOOLCHAIN); a board that fails does not stop the others. Fails itself only where
 * nothing can go on: memory, -EINTR after a stop signal (then all makes are gone).
 */
_must_check_ int kf_builds_run(struct kf_built *list, size_t count,
			       const struct kf_builds_options *options, struct kf_error *err);

#endif
