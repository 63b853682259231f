/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How the version that a board runs, or that Klippy runs, stands to a source tree: git counts the
 * commits between them.
 */
#ifndef KF_BUILD_REVISION_H
#define KF_BUILD_REVISION_H

#include "board/board.h"
#include "build/tree.h"
#include "firmware/version.h"

enum kf_status_state {
	KF_STATUS_NOT_ASKED, /* nobody tells the version, it names no commit, or there is no git */
	KF_STATUS_CURRENT,   /* the commit of the tree, and neither was changed */
	KF_STATUS_BEHIND,    /* the tree has more commits on top of it */
	KF_STATUS_AHEAD,     /* it has more commits on top of the tree's */
	KF_STATUS_DIFFERS,   /* another branch, not in this tree, changed, Kalico and Klipper */

	/* Of a board alone, whatever its version: printer/status.h. */
	KF_STATUS_INCOMPLETE,	 /* a flash was begun that no later one has verified */
	KF_STATUS_PENDING,	 /* firmware is on its SD card, and the board runs another */
	KF_STATUS_BOOTLOADER,	 /* it waits there for firmware */
	KF_STATUS_NOT_CONNECTED, /* no such device on USB */
	KF_STATUS_FOREIGN,	 /* firmware of others: left alone */
};

/* The words of a firmware or a Klippy about itself. Hostile text is allowed. */
struct kf_running {
	const char *app;     /* "Klipper", "Kalico"; "" or NULL: it does not say */
	const char *version; /* "" or NULL: not known */
};

struct kf_revision {
	enum kf_status_state state;
	unsigned behind, ahead; /* commits that only the tree has, and that only the other has */
	char reason[KF_REASON_SIZE]; /* part of a sentence; empty: the state says all */
};

/* The revision that the tree would build now. */
struct kf_tree_head {
	char text[KF_NAME_SIZE];   /* as git describes it; empty: no git */
	char app[32];		   /* "Klipper", "Kalico"; empty: the tree does not say */
	struct kf_version version; /* of text */
};

/*
 * Compare count versions with the tree; ret has count. git is asked once for each different
 * commit, all at the same time, until deadline_ms. An app that differs (Danger-Klipper is Kalico's
 * former name) differs whatever git says. *ret_head (may be NULL) is the tree's own version.
 * KF_INTERRUPTED; all else is in the states.
 */
_must_check_ int kf_revisions_compare(const struct kf_tree *tree, const struct kf_running *running,
				      size_t count, int64_t deadline_ms, struct kf_revision *ret,
				      struct kf_tree_head *ret_head, struct kf_error *err);

/* "up to date", "behind by 12 commits", "differs: built from a changed tree". */
void kf_revision_text(const struct kf_revision *revision, char *ret, size_t size);

/* The state's word in a record: "not asked", "up to date", "behind". */
const char *kf_revision_name(enum kf_status_state state);

#endif
