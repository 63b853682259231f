/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One tree often serves all boards: it is opened once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board/last-flash.h"
#include "build/configure.h"
#include "build/from-board.h"
#include "build/image-read.h"
#include "build/kconfig-update.h"
#include "build/propose-ask.h"
#include "build/prove.h"
#include "core/file.h"
#include "core/paths.h"
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
	else
		kf_registry_hint_tree(c->registry, key, c->klipper_dir, err);
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

/*
 * Ask the board. If it does not answer, it has told nothing: that is no error, and the user is told
 * only if the answer is needed.
 */
static int ask_gently(const struct kf_configure *c, const struct kf_board *board, bool needed,
		      struct kf_board_told *ret, struct kf_error *err)
{
	struct kf_last_flash last;
	struct kf_error why = { 0 };
	int r = kf_configure_ask(c, board, ret, &why);

	if (r == -EINTR || why.code == KF_MCU_MISMATCH) {
		*err = why;
		return r;
	}
	if (r < 0 && needed && board->connected)
		kf_configure_say(c, board->key, "%s", why.message);
	kf_last_flash_load(board->key, &last);
	if (!ret->katapult && !ret->no_bootloader && last.katapult_start) {
		ret->katapult = true;
		ret->katapult_start = last.katapult_start;
	}
	return 0;
}

/* 1: b->path is complete. 0: the user completes it in menuconfig. */
static int take_or_propose(struct kf_configure *c, const struct kf_board *board,
			   struct kf_board_told *told, struct kf_new_config *b,
			   struct kf_error *err)
{
	int r = 0;

	b->proposed = !told->facts.kconfig || b->before.count > 0;
	if (!b->proposed)
		r = kf_from_board(c, board->key, &told->facts, b->path, err);
	if (!b->proposed && r == kf_code_errno(KF_CONFIG_DIFFERENCE) && c->menuconfig) {
		kf_configure_say(c, board->key, "%s", err->message);
		b->proposed = true;
	}
	return b->proposed ? kf_propose_ask(c, board, told, b, err) : r;
}

/*
 * Begin a configuration if nothing is saved, or if the answers for the saved one are to be asked
 * again: with what the board's firmware carries, or with a proposal that the user completes.
 */
static int begin(struct kf_configure *c, const struct kf_board *board, struct kf_board_told *told,
		 struct kf_new_config *b, struct kf_error *err)
{
	size_t len;
	int r = take_or_propose(c, board, told, b, err);

	if (r < 0 || (r > 0 && !c->menuconfig))
		return r;
	return kf_file_read(b->path, KF_SAVED_CONFIG_MAX, &b->text, &len, err);
}

/*
 * Answers that made the saved configuration may be wrong, until a flash with them was verified.
 * What Katapult tells of the start replaces one. After a flash from which the board did not come
 * back, and if the user opens the configuration, all are asked again. True: begin a new
 * configuration.
 */
static bool reconsider(const struct kf_configure *c, const struct kf_board *board,
		       const struct kf_board_told *told, struct kf_new_config *b)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig saved = { 0 };
	struct kf_last_flash last;
	char path[PATH_MAX];
	int64_t tried_s;

	if (kf_saved_config_path(board->key, path, NULL) == 0 &&
	    kf_kconfig_load(path, &saved, NULL) == 0 && told->katapult &&
	    saved.start != told->katapult_start) {
		kf_configure_say(
			c, board->key,
			"Katapult starts applications at 0x%08x, not at 0x%08x as it was answered: "
			"corrected",
			told->katapult_start, saved.start);
		return true;
	}
	kf_last_flash_load(board->key, &last);
	tried_s = last.incomplete[0] ? last.tried_s : last.time_s;
	if (c->tty < 0 || (last.version[0] && !last.incomplete[0] && tried_s >= b->before.time_s))
		return false;
	b->again = c->menuconfig || tried_s >= b->before.time_s;
	if (b->again)
		kf_configure_say(c, board->key,
				 "no flash has shown yet that the answers before are right: they "
				 "are asked again");
	return b->again;
}

/*
 * Is the saved configuration what the board runs? It is no error if the board tells no Kconfig now,
 * or one that this tree cannot complete: the user did not ask for this comparison.
 */
static int compare(const struct kf_configure *c, const struct kf_board *board,
		   const struct kf_board_told *told, struct kf_new_config *b, struct kf_error *err)
{
	struct kf_error why = { 0 };
	int r;

	if (!c->compare || c->menuconfig || !told->facts.kconfig)
		return 0;
	r = kf_from_board_differs(c, board->key, &told->facts, b->path, b->differs, &why);
	if (r >= 0)
		return r;
	if (r == -EINTR || why.code == KF_NOT_SAVED) {
		*err = why;
		return r;
	}
	kf_configure_say(c, board->key, "what is saved was not compared with what it runs: %s",
			 why.message);
	return 0;
}

/*
 * Ask the board, and then the user. nothing: nothing is saved. 1: *b is begun; 0: what is saved
 * holds, and b->differs is set.
 */
static int new_config(struct kf_configure *c, const struct kf_board *board, bool nothing,
		      struct kf_new_config *b, struct kf_error *err)
{
	_cleanup_(kf_board_told_free) struct kf_board_told told = { 0 };
	bool needed = nothing || kf_answers_load(board->key, &b->before);
	int r;

	if (!needed && !c->compare)
		return 0;
	r = ask_gently(c, board, needed, &told, err);
	if (r < 0)
		return r;
	if (!needed || (!nothing && !reconsider(c, board, &told, b)))
		return compare(c, board, &told, b, err);
	r = begin(c, board, &told, b, err);
	return r < 0 ? r : 1;
}

/* The proved configuration is not the saved one. 1: save it; the saved one becomes .config.old. */
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
		return kf_terminal_confirm(c->tty, false, err,
					   "%s: not what is saved made what it runs, but %s: %s. "
					   "Save that?",
					   key, proved->from, differences);
	kf_fail(err, KF_CONFIG_DIFFERENCE, "not what is saved made what it runs, but %s: %s",
		proved->from, differences);
	return kf_error_hint(err, "to save that: kf config %s --prove --accept-difference", key);
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

/* Send a board in Katapult back to its firmware, which tells the version, by a short read. */
static int send_back(struct kf_configure *c, const struct kf_board *board,
		     struct kf_board_told *told, struct kf_error *err)
{
	char path[PATH_MAX];
	int r = kf_path(KF_DIR_CACHE, path, err, "configs/%s/read.bin", board->key);

	kf_configure_say(c, board->key,
			 "it is in Katapult: it is sent back to its firmware, to be asked");
	if (r == 0)
		r = kf_dir_make_parent(path, err);
	if (r == 0)
		r = kf_image_read(c, board, NULL, path, KF_IMAGE_READ_START, told, err);
	unlink(path);
	return r;
}

/* Prove a configuration, save it unless it is saved, and note the proof. */
static int proved_config(struct kf_configure *c, const struct kf_board *board,
			 const char **ret_saved, struct kf_error *err)
{
	_cleanup_(kf_board_told_free) struct kf_board_told told = { 0 };
	_cleanup_(kf_proved_free) struct kf_proved proved = { 0 };
	int r = board->mode == KF_MODE_KATAPULT ? send_back(c, board, &told, err) : 0;

	if (r == 0)
		r = kf_configure_ask(c, board, &told, err);
	if (r == 0)
		r = kf_prove_board(c, board, &told, &proved, err);
	return r < 0 ? r : save_proved(c, board->key, &proved, ret_saved, err);
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
	int r = kf_configure_ask(c, board, &told, err);

	return r < 0 ? r : kf_from_board(c, board->key, &told.facts, ret_path, err);
}

static int menuconfig(const struct kf_configure *c, const struct kf_board *board,
		      const struct kf_kconfig_update *m, const char **ret_saved,
		      struct kf_error *err)
{
	int r;

	if (c->opens)
		c->opens(board);
	r = kf_menuconfig(m, err);
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
		r = kf_answers_save(m->board->key, &b->answers, err);
	if (r < 0)
		kf_kconfig_free(&done->kconfig);
	return r < 0 ? r : 0;
}

int kf_configure_board(struct kf_configure *c, const struct kf_board *board,
		       struct kf_configured *ret, struct kf_error *err)
{
	struct kf_kconfig_update m = { .c = c, .board = board, .from = c->from };
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
		r = proved_config(c, board, &done.saved, err);
	} else if (r == 0 && !c->from) {
		r = new_config(c, board, new, &b, err);
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
