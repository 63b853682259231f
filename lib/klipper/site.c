/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists of a few: a run has one or two trees, and a tree one compiler for each kind of board. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "klipper/site.h"
#include "klipper/toolchain.h"

enum { TOOLCHAIN_MS = 20000 };

struct kf_compiler {
	char board[64], id[KF_HEX_SIZE];
	struct kf_compiler *next;
};

static int memory_path(const char *dir, char ret[PATH_MAX], struct kf_error *err)
{
	char name[KF_HEX_SIZE];

	kf_sha256(dir, strlen(dir), name);
	return kf_path(KF_DIR_CACHE, ret, err, "trees/%.16s", name);
}

static int enter(struct kf_site *site)
{
	int r = kf_tree_open(site->dir, &site->tree, &site->err);

	if (r == 0)
		kf_revision_ask(&site->tree, &site->git);
	return r;
}

static int look(struct kf_site *site)
{
	int r = memory_path(site->tree.dir, site->memory, &site->err);

	if (r == 0)
		r = kf_snapshot_take(site->tree.dir, site->memory, &site->snapshot, &site->err);
	return r < 0 ? r : kf_revision_answer(&site->tree, &site->git, site->revision, &site->err);
}

int kf_site_look(struct kf_site *site, struct kf_error *err)
{
	if (site->r == 0 && !site->looked)
		site->r = look(site);
	site->looked = true;
	if (site->r < 0)
		*err = site->err;
	return site->r;
}

struct kf_site *kf_site_find(struct kf_site **sites, const char *dir)
{
	struct kf_site *site;

	for (site = *sites; site; site = site->next)
		if (strcmp(site->dir, dir) == 0)
			return site;
	site = calloc(1, sizeof(*site));
	if (!site)
		return NULL;
	site->extras.dir = -1;
	site->dir = strdup(dir);
	if (!site->dir) {
		free(site);
		return NULL;
	}
	site->r = enter(site);
	site->next = *sites;
	*sites = site;
	return site;
}

int kf_site_toolchain(struct kf_site *site, const struct kf_kconfig *config, char ret[KF_HEX_SIZE],
		      struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = NULL;
	struct kf_compiler *c;
	char board[64] = "";
	int r;

	if (!kf_kconfig_get(config, "BOARD_DIRECTORY", board, sizeof(board)))
		board[0] = '\0';
	for (c = site->compilers; c && strcmp(c->board, board) != 0; c = c->next)
		;
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			return kf_fail_sys(err, ENOMEM, "%s", site->dir);
		r = kf_toolchain_check(&site->tree, config, kf_now_ms() + TOOLCHAIN_MS, &text, err);
		if (r < 0) {
			free(c);
			return r;
		}
		kf_sha256(text, strlen(text), c->id);
		memcpy(c->board, board, sizeof(board));
		c->next = site->compilers;
		site->compilers = c;
	}
	memcpy(ret, c->id, sizeof(c->id));
	return 0;
}

int kf_site_enter(struct kf_site *site, int64_t wait_ms, struct kf_error *err)
{
	int r = site->tree.version[0] ? 0 : kf_tree_describe(&site->tree, err);

	if (r == 0 && site->extras.dir < 0)
		r = kf_extras_note(site->tree.dir, kf_now_ms() + wait_ms, &site->extras, err);
	return r;
}

void kf_sites_free(struct kf_site *sites)
{
	struct kf_compiler *c;
	struct kf_site *site;

	while ((site = sites)) {
		sites = site->next;
		while ((c = site->compilers)) {
			site->compilers = c->next;
			free(c);
		}
		kf_extras_restore(&site->extras);
		kf_revision_forget(&site->git);
		kf_snapshot_free(&site->snapshot);
		free(site->dir);
		free(site);
	}
}
