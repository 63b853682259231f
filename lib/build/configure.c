/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One tree often serves all boards: it is opened once. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board/identity.h"
#include "board/last-flash.h"
#include "build/configure.h"
#include "build/family.h"
#include "build/image-read.h"
#include "build/kconfig-update.h"
#include "build/propose-ask.h"
#include "build/prove.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/terminal.h"
#include "core/text.h"
#include "registry/saved-config.h"

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
	r = kf_terminal_confirm(c->tty, err,
				"%s: menuconfig was left without saving. Go on with the "
				"configuration as it was before?",
				key);
	if (r == 0 || r == -ECANCELED)
		return kf_fail(err, KF_NOT_SAVED,
			       "menuconfig was left without saving, so nothing was changed");
	return r < 0 ? r : 0;
}

static struct kf_from_board from_board(const struct kf_configure *c, const struct kf_board *board)
{
	return (struct kf_from_board){ .tree = &c->tree,
				       .key = board->key,
				       .tty = c->tty,
				       .take = c->accept_difference,
				       .timeout_ms = c->timeout_ms,
				       .wait_ms = c->wait_ms };
}

static _printf_(3, 4) void step(const struct kf_configure *c, const char *key, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!c->step)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->step(key, text);
}

/* Who says another MCU than its USB name is wrong, or hostile. */
static int check_told_mcu(const struct kf_board *board, const struct kf_board_told *told,
			  struct kf_error *err)
{
	char usb[64] = "", mcu[64];

	kf_identity_mcu(&board->usb, usb);
	if (!usb[0] || !kf_family_find(usb) || !told->facts.constants ||
	    !kf_facts_text(&told->facts, "MCU", mcu, sizeof(mcu)) || kf_mcu_same(mcu, usb))
		return 0;
	kf_fail(err, KF_MCU_MISMATCH,
		"its firmware is said to be for %s, its USB name says %s: nothing is built", mcu,
		usb);
	kf_error_hint(err,
		      "check which board the serial: of its printer names; kf status shows it");
	return kf_code_errno(KF_MCU_MISMATCH);
}

/* Ask the board, or the Klippy that has it. */
static int ask(const struct kf_configure *c, const struct kf_board *board,
	       struct kf_board_told *ret, struct kf_error *err)
{
	int r = c->tell ? c->tell(board, ret, err)
			: kf_fail(err, KF_NOT_CONNECTED, "the board was not asked");

	if (ret->facts.refused[0])
		step(c, board->key, "the Kconfig of its firmware is not used: %s",
		     ret->facts.refused);
	return r < 0 ? r : check_told_mcu(board, ret, err);
}

/* The same for a proposal: one that does not answer has told nothing. */
static int ask_gently(const struct kf_configure *c, const struct kf_board *board,
		      struct kf_board_told *ret, struct kf_error *err)
{
	struct kf_last_flash last;
	struct kf_error why = { 0 };
	int r = ask(c, board, ret, &why);

	if (r == -EINTR || why.code == KF_MCU_MISMATCH) {
		*err = why;
		return r;
	}
	if (r < 0 && board->connected)
		step(c, board->key, "%s", why.message);
	kf_last_flash_load(board->key, &last);
	if (!ret->katapult && last.katapult_start) {
		ret->katapult = true;
		ret->katapult_start = last.katapult_start;
	}
	return 0;
}

/* The Kconfig of its firmware, in a file: 1. 0: what is saved is kept. */
static int take_from_board(const struct kf_configure *c, const struct kf_board *board,
			   char ret_path[PATH_MAX], struct kf_error *err)
{
	_cleanup_(kf_board_told_free) struct kf_board_told told = { 0 };
	const struct kf_from_board from = from_board(c, board);
	int r = ask(c, board, &told, err);

	return r < 0 ? r : kf_from_board(&from, &told.facts, ret_path, err);
}

/* A configuration that is not saved yet. */
struct begun {
	char path[PATH_MAX]; /* of a file */
	char *text;	     /* of it, for menuconfig to begin with; NULL: it is to be saved */
	struct kf_answers before, answers; /* those that the saved one was made with; and now */
	bool again;			   /* ask those before once more */
};

/* 1: b->path is whole. 0: menuconfig shall complete it. */
static int take_or_propose(struct kf_configure *c, const struct kf_board *board,
			   struct kf_board_told *told, struct begun *b, struct kf_error *err)
{
	const struct kf_from_board from = from_board(c, board);
	const struct kf_propose_ask proposal = { .from = &from,
						 .board = board,
						 .told = told,
						 .before = &b->before,
						 .again = b->again,
						 .ret_told = &c->told,
						 .step = c->step };
	int r;

	if (!told->facts.kconfig || b->before.count > 0)
		return kf_propose_ask(&proposal, b->path, &b->answers, err);
	r = kf_from_board(&from, &told->facts, b->path, err);
	if (r != kf_code_errno(KF_CONFIG_DIFFERENCE) || !c->menuconfig)
		return r;
	step(c, board->key, "%s", err->message);
	return kf_propose_ask(&proposal, b->path, &b->answers, err);
}

/*
 * Where nothing is saved, and where the answers for what is saved are to be asked again: what the
 * board's firmware carries, or a proposal that the user completes.
 */
static int begin(struct kf_configure *c, const struct kf_board *board, struct kf_board_told *told,
		 struct begun *b, struct kf_error *err)
{
	size_t len;
	int r = take_or_propose(c, board, told, b, err);

	if (r < 0 || (r > 0 && !c->menuconfig))
		return r;
	return kf_file_read(b->path, KF_SAVED_CONFIG_MAX, &b->text, &len, err);
}

/*
 * Answers that made what is saved may be wrong, until a flash with them was verified. Katapult's
 * word about the start replaces one; after a flash from which the board did not come back, and
 * where the user opens the configuration, all are asked again. True: it is to be begun anew.
 */
static bool reconsider(const struct kf_configure *c, const struct kf_board *board,
		       const struct kf_board_told *told, struct begun *b)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig saved = { 0 };
	struct kf_last_flash last;
	char path[PATH_MAX];
	int64_t tried_s;

	if (kf_saved_config_path(board->key, path, NULL) == 0 &&
	    kf_kconfig_load(path, &saved, NULL) == 0 && told->katapult &&
	    saved.start != told->katapult_start) {
		step(c, board->key,
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
		step(c, board->key,
		     "no flash has shown yet that the answers before are right: they "
		     "are asked again");
	return b->again;
}

/* Nothing is saved, or it was made with answers: ask the board, and then the user. */
static int start(struct kf_configure *c, const struct kf_board *board, bool new, struct begun *b,
		 struct kf_error *err)
{
	_cleanup_(kf_board_told_free) struct kf_board_told told = { 0 };
	int r;

	if (!new && !kf_answers_load(board->key, &b->before))
		return 0;
	r = ask_gently(c, board, &told, err);
	if (r < 0 || (!new && !reconsider(c, board, &told, b)))
		return r;
	r = begin(c, board, &told, b, err);
	return r < 0 ? r : 1;
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

/* A board in Katapult tells no version: its firmware does, to which a short read sends it back. */
static int send_back(struct kf_configure *c, const struct kf_board *board,
		     struct kf_board_told *told, struct kf_error *err)
{
	char path[PATH_MAX];
	int r = kf_path(KF_DIR_CACHE, path, err, "configs/%s/read.bin", board->key);

	step(c, board->key, "it is in Katapult: it is sent back to its firmware, to be asked");
	if (r == 0)
		r = kf_dir_make_parent(path, err);
	if (r == 0)
		r = kf_image_read(board, NULL, path, KF_IMAGE_READ_START, told, &c->told, err);
	unlink(path);
	return r;
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
	int r = board->mode == KF_MODE_KATAPULT ? send_back(c, board, &told, err) : 0;

	if (r == 0)
		r = ask(c, board, &told, err);
	if (r == 0)
		r = kf_prove_board(&p, &proved, err);
	return r < 0 ? r : save_proved(c, board->key, &proved, ret_saved, err);
}

/* Save the file m->from, or bring up what is saved; say what was saved. */
static int bring_up(const struct kf_kconfig_update *m, const struct begun *b,
		    struct kf_configured *done, struct kf_error *err)
{
	int r = kf_kconfig_bring_up(m, done->path, &done->kconfig, done->lost, err);

	if (r > 0)
		done->saved = m->from ? "; saved"
				      : "; saved; the configuration before it is kept as "
					".config.old";
	if (r >= 0 && m->from == b->path && (b->answers.count > 0 || b->before.count > 0))
		r = kf_answers_save(m->key, &b->answers, err);
	if (r < 0)
		kf_kconfig_free(&done->kconfig);
	return r < 0 ? r : 0;
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
	bool new = kf_saved_config_days(board->key) == -ENOENT, begun = false;
	struct kf_configured done = { .saved = "" };
	struct begun b = { .text = NULL };
	struct kf_device device;
	int r;

	c->told = false;
	r = open_tree(c, board->key, &device, err);
	if (r == 0 && c->from_board) {
		r = take_from_board(c, board, b.path, err);
		m.from = r > 0 ? b.path : NULL;
	} else if (r == 0 && c->prove) {
		r = prove(c, board, &done.saved, err);
	} else if (r == 0 && !c->from) {
		r = start(c, board, new, &b, err);
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
	done.days = kf_saved_config_days(board->key);
	done.proved = kf_proof_load(board->key, &done.proof);
	*ret = done;
	return 0;
}
