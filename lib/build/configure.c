/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One tree often serves all boards: it is opened once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "build/configure.h"
#include "build/kconfig-update.h"
#include "build/prove.h"
#include "core/file.h"
#include "core/terminal.h"
#include "core/text.h"
#include "registry/saved-config.h"

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
		kf_text_format(c->dir, sizeof(c->dir), "%s", dir);
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
	r = kf_terminal_confirm(c->tty, err,
				"%s: menuconfig was left without saving. Go on with the "
				"configuration as it was before?",
				key);
	if (r == 0 || r == -ECANCELED)
		return kf_fail(err, KF_NOT_SAVED,
			       "menuconfig was left without saving, so nothing was changed");
	return r < 0 ? r : 0;
}

/* Ask the board; one that does not answer has told nothing. */
static int ask(const struct kf_configure *c, const struct kf_board *board,
	       struct kf_board_told *ret, struct kf_error *err)
{
	return c->tell ? c->tell(board, ret, err)
		       : kf_fail(err, KF_NOT_CONNECTED, "the board was not asked");
}

/* The Kconfig of its firmware, in a file: 1. 0: what is saved is kept. */
static int take_from_board(const struct kf_configure *c, const struct kf_board *board,
			   char ret_path[PATH_MAX], struct kf_error *err)
{
	_cleanup_(kf_board_told_free) struct kf_board_told told = { 0 };
	const struct kf_from_board from = { .tree = &c->tree,
					    .key = board->key,
					    .tty = c->tty,
					    .take = c->accept_difference,
					    .timeout_ms = c->timeout_ms,
					    .wait_ms = c->wait_ms };
	int r = ask(c, board, &told, err);

	return r < 0 ? r : kf_from_board(&from, &told.facts, ret_path, err);
}

/* Make the text that menuconfig begins with. *ret stays NULL if the MCU of the board is not known.
 */
static int propose(const struct kf_configure *c, const struct kf_board *board,
		   const struct kf_board_told *told, char **ret, struct kf_error *err)
{
	const struct kf_from_board from = { .tree = &c->tree,
					    .key = board->key,
					    .timeout_ms = c->timeout_ms,
					    .wait_ms = c->wait_ms };
	_cleanup_(kf_freep) struct kf_proposal *proposal = malloc(sizeof(*proposal));
	int r;

	if (!proposal)
		return kf_fail_sys(err, ENOMEM, "a proposal");
	r = kf_propose_board(&from, board, told, proposal, err);
	if (r == kf_code_errno(KF_CONFIG) && proposal->family == NULL)
		return 0;
	if (r == 0)
		r = kf_proposal_text(proposal, ret, err);
	if (r == 0 && c->show)
		c->show(board->key, proposal);
	return r;
}

/*
 * Nothing is saved, and menuconfig was not asked for: 1 and the path of what the board's firmware
 * carries, or of a proposal that the user has completed. 0: there is neither.
 */
static int begin(const struct kf_configure *c, const struct kf_board *board,
		 const struct kf_device *device, const struct kf_board_told *told,
		 char ret_path[PATH_MAX], struct kf_error *err)
{
	const struct kf_from_board from = { .tree = &c->tree,
					    .key = board->key,
					    .tty = c->tty,
					    .timeout_ms = c->timeout_ms,
					    .wait_ms = c->wait_ms };

	if (c->menuconfig)
		return 0;
	if (told->facts.kconfig)
		return kf_from_board(&from, &told->facts, ret_path, err);
	return device->described ? kf_propose_ask(&from, board, told, c->show, ret_path, err) : 0;
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

/* Nothing is saved for the board: ask it, then the user. *ret: what menuconfig begins with. */
static int start_new(const struct kf_configure *c, const struct kf_board *board,
		     const struct kf_device *device, struct kf_kconfig_update *m,
		     char path[PATH_MAX], char **ret, struct kf_error *err)
{
	_cleanup_(kf_board_told_free) struct kf_board_told told = { 0 };
	int r = ask(c, board, &told, err);

	if (r != -EINTR)
		r = begin(c, board, device, &told, path, err);
	if (r > 0)
		m->from = path;
	if (r != 0 || c->tty < 0)
		return r;
	return propose(c, board, &told, ret, err);
}

/* Another configuration than the saved one made what it runs: 1 to save that, after .config.old. */
static int replaces(const struct kf_configure *c, const char *key, const struct kf_proved *proved,
		    const struct kf_kconfig *config, struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig saved = { 0 };
	char differences[384];
	int r;

	if (c->accept_difference)
		return 1;
	r = kf_kconfig_parse("the saved configuration", proved->before, strlen(proved->before),
			     &saved, err);
	if (r < 0)
		return r;
	if (!kf_kconfig_differences(&saved, config, "proved", differences, sizeof(differences)))
		kf_text_format(differences, sizeof(differences), "they differ in symbols");
	if (c->tty >= 0)
		return kf_terminal_confirm(c->tty, err,
					   "%s: not what is saved made what it runs, but %s: %s. "
					   "Save that?",
					   key, proved->from, differences);
	kf_fail(err, KF_CONFIG_DIFFERENCE, "not what is saved made what it runs, but %s: %s",
		proved->from, differences);
	kf_error_hint(err, "to save that: kf config %s --prove --accept-difference", key);
	return kf_code_errno(KF_CONFIG_DIFFERENCE);
}

/* Save what was proved, if it is not saved, and the proof of it. */
static int save_proved(const struct kf_configure *c, const char *key,
		       const struct kf_proved *proved, const char **ret_saved, struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig config = { 0 };
	bool was_saved = proved->before;
	int r = 1;

	if (!proved->saved) {
		r = kf_kconfig_parse("the proved configuration", proved->config,
				     strlen(proved->config), &config, err);
		if (r == 0)
			r = was_saved ? replaces(c, key, proved, &config, err) : 1;
		if (r > 0)
			r = kf_saved_config_write(key, &config, err) < 0 ? -EIO : 1;
		if (r > 0)
			*ret_saved = was_saved ? "; saved; the configuration before it is kept as "
						 ".config.old"
					       : "; saved";
	}
	return r <= 0 ? r
		      : kf_proof_save(key, proved->version, proved->image_sha256, proved->stamped,
				      err);
}

static int prove(struct kf_configure *c, const struct kf_board *board, const char **ret_saved,
		 struct kf_error *err)
{
	_cleanup_(kf_board_told_free) struct kf_board_told told = { 0 };
	_cleanup_(kf_proved_free) struct kf_proved proved = { 0 };
	const struct kf_prove p = { .tree = &c->tree,
				    .key = board->key,
				    .board = board,
				    .told = &told,
				    .timeout_ms = c->timeout_ms,
				    .wait_ms = c->wait_ms,
				    .ret_told = &c->told,
				    .step = c->step };
	int r = ask(c, board, &told, err);

	if (r == 0)
		r = kf_prove_board(&p, &proved, err);
	return r < 0 ? r : save_proved(c, board->key, &proved, ret_saved, err);
}

int kf_configure_board(struct kf_configure *c, const struct kf_board *board,
		       struct kf_configured *ret, struct kf_error *err)
{
	struct kf_kconfig_update m = { .tree = &c->tree,
				       .key = board->key,
				       .mcu = board->mcu,
				       .usb_tty =
					       board->mode == KF_MODE_KLIPPER ? board->tty : NULL,
				       .from = c->from,
				       .timeout_ms = c->timeout_ms,
				       .wait_ms = c->wait_ms,
				       .accept_difference = c->accept_difference };
	bool new = kf_saved_config_days(board->key) == -ENOENT && !c->from && !c->from_board;
	_cleanup_(kf_freep) char *proposal = NULL;
	struct kf_configured done = { .saved = "" };
	struct kf_device device;
	char own[PATH_MAX];
	int r;

	c->told = false;
	r = open_tree(c, board->key, &device, err);
	if (r == 0 && c->from_board) {
		r = take_from_board(c, board, own, err);
		m.from = r > 0 ? own : NULL;
	} else if (r == 0 && c->prove) {
		r = prove(c, board, &done.saved, err);
	} else if (r == 0 && new) {
		r = start_new(c, board, &device, &m, own, &proposal, err);
		m.proposal = proposal;
	}
	if (r >= 0 && c->tty >= 0 && !m.from && !c->prove && (new || edits(c)))
		r = menuconfig(c, board, &m, &done.saved, err);
	if (r < 0)
		return r;
	r = kf_kconfig_bring_up(&m, done.path, &done.kconfig, done.lost, err);
	if (r < 0)
		return r;
	if (r > 0)
		done.saved = m.from ? "; saved"
				    : "; saved; the configuration before it is kept as .config.old";
	done.days = kf_saved_config_days(board->key);
	done.proved = kf_proof_load(board->key, &done.proof);
	*ret = done;
	return 0;
}
