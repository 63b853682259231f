/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One tree often serves all boards: it is opened once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "board/port.h"
#include "build/configure.h"
#include "build/configuring.h"
#include "build/kconfig-update.h"
#include "build/new-config.h"
#include "build/proved-config.h"
#include "core/file.h"
#include "core/text.h"
#include "registry/saved-config.h"
#include "terminal/terminal.h"

enum { REVIEW_DAYS = 90 };

bool kf_configure_wants(const struct kf_configure *c, const struct kf_board *board)
{
	return board->key[0] && !board->excluded && (board->connected || !c->connected);
}

/* Does menuconfig open where a configuration is saved? */
static bool edits(const struct kf_configure *c)
{
	return !c->from && !c->from_board && !c->prove &&
	       (c->menuconfig || (!c->saved && !kf_registry_skip_menuconfig(c->registry)));
}

static int open_tree(struct kf_configure *c, const char *key, struct kf_device *ret,
		     struct kf_error *err)
{
	const char *dir = c->klipper_dir;
	int r;

	r = kf_registry_device(c->registry, key, ret, err);
	if (r < 0)
		return r;
	if (!dir)
		dir = kf_registry_klipper_dir(c->registry, ret);
	if (strcmp(dir, c->dir) == 0)
		return 0;
	c->dir[0] = '\0';
	r = kf_tree_open(dir, &c->tree, err);
	if (r == 0)
		KF_COPY(c->dir, dir);
	return r;
}

json_t *kf_configure_member(const struct kf_configured *done)
{
	char sha256[KF_HEX_SIZE];

	kf_sha256(done->kconfig.text, done->kconfig.len, sha256);
	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s*, s:s*}", "path", done->path, "sha256",
			 sha256, "mcu", done->kconfig.mcu, "start", (json_int_t)done->kconfig.start,
			 "comm", kf_comm_name(done->kconfig.comm), "proved_version",
			 done->proved ? done->proof.version : NULL, "proved_time",
			 done->proved ? done->proof.time : NULL);
}

void kf_configure_tell(const struct kf_configured *done, const char *key,
		       void (*line)(const char *key, const char *text))
{
	char text[512], summary[256];

	kf_kconfig_summary(&done->kconfig, summary, sizeof(summary));
	kf_text_format(text, sizeof(text), "%s%s", summary, done->saved);
	line(key, text);
	kf_text_format(text, sizeof(text),
		       "proved %.10s: this configuration made %s, %s as the board ran it",
		       done->proof.time, done->proof.version,
		       done->proof.stamped ? "but for the stamps of the build" : "byte for byte");
	if (done->proved)
		line(key, text);
	kf_text_format(text, sizeof(text),
		       "saved, but no longer in this tree: %s; kf config %s shows the entries of "
		       "the tree",
		       done->lost, key);
	if (done->lost[0])
		line(key, text);
	kf_text_format(text, sizeof(text), "saved %d days ago: review it with --menuconfig",
		       done->days);
	if (done->days >= REVIEW_DAYS)
		line(key, text);
}

/* The user left menuconfig without saving: 0 to go on with what was saved before. */
static int left_unsaved(const struct kf_configure *c, const char *key, struct kf_error *err)
{
	int r;

	if (kf_saved_config_days(key) == -ENOENT)
		return kf_fail(err, KF_NOT_SAVED,
			       "menuconfig was left without saving, and no configuration was saved "
			       "before");
	if (!c->asks)
		return 0;
	r = kf_terminal_confirm(c->tty, false, err,
				"%s: menuconfig was left without saving. Go on with the "
				"configuration as it was before?",
				key);
	if (r == 0 || r == -ECANCELED)
		return kf_fail(err, KF_NOT_SAVED,
			       "menuconfig was left without saving, so nothing was changed");
	return r < 0 ? r : 0;
}

/* Write the Kconfig that the firmware carries to a file: 1. 0: the saved one is kept. */
static int take_from_board(const struct kf_configure *c, const struct kf_board *board,
			   char ret_path[PATH_MAX], struct kf_error *err)
{
	_cleanup_(kf_board_told_free) struct kf_board_told told = { 0 };
	const struct kf_from_board from = kf_configure_from(c, board);
	int r = kf_configure_ask(c, board, &told, err);

	return r < 0 ? r : kf_from_board(&from, &told.facts, ret_path, err);
}

static int menuconfig(const struct kf_configure *c, const struct kf_board *board,
		      const struct kf_kconfig_update *m, const char **ret_saved,
		      struct kf_error *err)
{
	int r;

	if (c->opens)
		c->opens(board);
	r = kf_menuconfig(m, c->tty, err);
	if (r > 0)
		*ret_saved = "; saved";
	return r == 0 ? left_unsaved(c, board->key, err) : r < 0 ? r : 0;
}

/* Save the file m->from, or bring up what is saved; say what was saved. */
static int bring_up(const struct kf_kconfig_update *m, const struct kf_new_config *b,
		    struct kf_configured *done, struct kf_error *err)
{
	int r = kf_kconfig_bring_up(m, done->path, &done->kconfig, done->lost, err);

	if (r > 0)
		done->saved = m->from ? "; saved"
				      : "; saved; the configuration before it is kept as "
					".config.old";
	if (r >= 0 && m->from == b->path && b->proposed)
		r = kf_answers_save(m->key, &b->answers, err);
	if (r < 0)
		kf_kconfig_free(&done->kconfig);
	return r < 0 ? r : 0;
}

/* Returns the interface that new firmware must use, too. For a wired board it is not known. */
static enum kf_comm talks_over(const struct kf_board *board)
{
	if (kf_board_is_bridge(board))
		return KF_COMM_USBCAN;
	return board->mode == KF_MODE_KLIPPER && !kf_board_is_wired(board) ? KF_COMM_USB
									   : KF_COMM_UNKNOWN;
}

int kf_configure_board(struct kf_configure *c, const struct kf_board *board,
		       struct kf_configured *ret, struct kf_error *err)
{
	const char *interface = board->link.interface[0] ? board->link.interface : "a CAN bus";
	const char *place = kf_board_is_bridge(board) ? interface : board->tty;
	struct kf_kconfig_update m = { .tree = &c->tree,
				       .key = board->key,
				       .mcu = board->mcu,
				       .comm = talks_over(board),
				       .place = place,
				       .from = c->from,
				       .timeout_ms = c->timeout_ms,
				       .wait_ms = c->wait_ms,
				       .accept_difference = c->accept_difference };
	bool new = kf_saved_config_days(board->key) == -ENOENT, begun = false;
	struct kf_configured done = { .saved = "" };
	struct kf_new_config b = { .text = NULL };
	struct kf_device device;
	int r;

	c->told = false;
	r = open_tree(c, board->key, &device, err);
	if (r == 0 && c->from_board) {
		r = take_from_board(c, board, b.path, err);
		m.from = r > 0 ? b.path : NULL;
	} else if (r == 0 && c->prove) {
		r = kf_proved_config(c, board, &done.saved, err);
	} else if (r == 0 && !c->from) {
		r = kf_new_config(c, board, new, &b, err);
		begun = r > 0;
		m.proposal = b.text;
		m.from = begun && !b.text ? b.path : NULL;
	}
	if (r >= 0 && c->tty >= 0 && !m.from && !c->prove && (begun || edits(c)))
		r = menuconfig(c, board, &m, &done.saved, err);
	free(b.text);
	if (r >= 0)
		r = bring_up(&m, &b, &done, err);
	if (r < 0)
		return r;
	memcpy(done.differs, b.differs, sizeof(done.differs));
	done.days = kf_saved_config_days(board->key);
	done.proved = kf_proof_load(board->key, &done.proof);
	*ret = done;
	return 0;
}
