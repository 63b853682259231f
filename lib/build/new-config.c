/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "board/last-flash.h"
#include "build/configuring.h"
#include "build/new-config.h"
#include "build/propose-ask.h"
#include "core/file.h"
#include "registry/saved-config.h"

/* Ask the board. If it does not answer, it has told nothing: that is no error. */
static int ask_gently(const struct kf_configure *c, const struct kf_board *board,
		      struct kf_board_told *ret, struct kf_error *err)
{
	struct kf_last_flash last;
	struct kf_error why = { 0 };
	int r = kf_configure_ask(c, board, ret, &why);

	if (r == -EINTR || why.code == KF_MCU_MISMATCH) {
		*err = why;
		return r;
	}
	if (r < 0 && board->connected)
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
	const struct kf_from_board from = kf_configure_from(c, board);
	const struct kf_propose_ask proposal = { .from = &from,
						 .board = board,
						 .told = told,
						 .before = &b->before,
						 .again = b->again,
						 .ret_told = &c->told,
						 .step = c->step };
	int r = 0;

	b->proposed = !told->facts.kconfig || b->before.count > 0;
	if (!b->proposed)
		r = kf_from_board(&from, &told->facts, b->path, err);
	if (!b->proposed && r == kf_code_errno(KF_CONFIG_DIFFERENCE) && c->menuconfig) {
		kf_configure_say(c, board->key, "%s", err->message);
		b->proposed = true;
	}
	return b->proposed ? kf_propose_ask(&proposal, b->path, &b->answers, err) : r;
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
	struct kf_from_board from = kf_configure_from(c, board);
	struct kf_error why = { 0 };
	int r;

	if (!c->compare || c->menuconfig || !told->facts.kconfig)
		return 0;
	from.take = false;
	if (c->yes)
		from.tty = -1;
	r = kf_from_board_differs(&from, &told->facts, b->path, b->differs, &why);
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

/* The user did not ask for this comparison: a board that does not answer is no error. */
static int ask_and_compare(const struct kf_configure *c, const struct kf_board *board,
			   struct kf_new_config *b, struct kf_error *err)
{
	_cleanup_(kf_board_told_free) struct kf_board_told told = { 0 };
	struct kf_error why = { 0 };
	int r = kf_configure_ask(c, board, &told, &why);

	if (r < 0 && (r == -EINTR || why.code == KF_MCU_MISMATCH)) {
		*err = why;
		return r;
	}
	return compare(c, board, &told, b, err);
}

int kf_new_config(struct kf_configure *c, const struct kf_board *board, bool nothing,
		  struct kf_new_config *b, struct kf_error *err)
{
	_cleanup_(kf_board_told_free) struct kf_board_told told = { 0 };
	int r;

	if (!nothing && !kf_answers_load(board->key, &b->before))
		return c->compare ? ask_and_compare(c, board, b, err) : 0;
	r = ask_gently(c, board, &told, err);
	if (r < 0)
		return r;
	if (!nothing && !reconsider(c, board, &told, b))
		return compare(c, board, &told, b, err);
	r = begin(c, board, &told, b, err);
	return r < 0 ? r : 1;
}
