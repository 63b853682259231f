/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A tree that several boards of one run are built in: looked at once, for all of them. */
#ifndef KF_KLIPPER_SITE_H
#define KF_KLIPPER_SITE_H

#include "klipper/extras.h"
#include "klipper/kconfig.h"
#include "klipper/snapshot.h"
#include "klipper/tree.h"

struct kf_compiler;

struct kf_site {
	char *dir;		/* as the user wrote it */
	struct kf_tree tree;	/* its version is filled by kf_site_enter */
	struct kf_revision git; /* asked */
	bool looked;		/* the next two are known */
	char revision[KF_HEX_SIZE];
	struct kf_snapshot snapshot;
	char memory[PATH_MAX];	 /* the snapshot's file */
	struct kf_extras extras; /* the guard around all makes */
	unsigned running;	 /* makes */
	int r;			 /* 0, or what is wrong with the tree: err */
	struct kf_error err;
	struct kf_compiler *compilers;
	struct kf_site *next;
};

/* The site of dir, in the list or new; NULL: no memory. site->r: its tree cannot be used. */
struct kf_site *kf_site_find(struct kf_site **sites, const char *dir);

/* What is in it, looked at once: git does so from kf_site_find on. Errors as site->r. */
_must_check_ int kf_site_look(struct kf_site *site, struct kf_error *err);

/* kf_toolchain_check, asked once for all boards of a kind. */
_must_check_ int kf_site_toolchain(struct kf_site *site, const struct kf_kconfig *config,
				   char ret[KF_HEX_SIZE], struct kf_error *err);

/*
 * Before a make starts in it: which version it will say, and what to clean up in the end. Errors as
 * kf_tree_describe, and kf_extras_note, which waits wait_ms for other runs of ours.
 */
_must_check_ int kf_site_enter(struct kf_site *site, int64_t wait_ms, struct kf_error *err);

/* Free all, and clean up what makes left in the trees. */
void kf_sites_free(struct kf_site *sites);

#endif
