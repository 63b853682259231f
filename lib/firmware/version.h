/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The version of a firmware, as Klipper's build writes it (scripts/buildcommands.py): what "git
 * describe --always --tags --long --dirty" says, and the date and the host of a build that is not
 * clean. Kalico's is the same, with years as tags.
 */
#ifndef KF_FIRMWARE_VERSION_H
#define KF_FIRMWARE_VERSION_H

#include "core/base.h"

/* v0.13.0-730-g84104bbbd-dirty-20261123_030726-host */
struct kf_version {
	char tag[64];	  /* "v0.13.0"; empty: git had no tag, only a hash */
	unsigned commits; /* since the tag */
	char hash[41];	  /* of the commit, as many digits as were written; empty: a tag alone */
	bool dirty;	  /* built from a changed tree */
	bool stamped;	  /* date and host follow: a changed tree, no git, or mixed compilers */
};

/*
 * Take a version apart. False if it names no revision: empty, "?" (no git), or a character that
 * git's tags do not have. *ret is then untouched.
 */
bool kf_version_parse(const char *text, struct kf_version *ret);

/*
 * Do both name one commit? One hash begins with the other (4 digits at least), or both are the same
 * tag itself: v0.13.0 and v0.13.0-0-g61c0c8d2e. Whether a tree was changed does not count here.
 */
bool kf_version_same(const struct kf_version *a, const struct kf_version *b);

#endif
