/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "board/identity.h"
#include "build/from-board.h"
#include "build/olddefconfig.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/terminal.h"
#include "core/text.h"
#include "firmware/kconfig-difference.h"
#include "registry/saved-config.h"

void kf_board_told_free(struct kf_board_told *told)
{
	kf_facts_free(&told->facts);
}

/* configs/KEY/NAME in the cache, and the lock of that folder. */
static int open_place(const struct kf_from_board *from, const char *name, char ret_dir[PATH_MAX],
		      int *ret_lock, struct kf_error *err)
{
	char path[PATH_MAX];
	int r = kf_path(KF_DIR_CACHE, ret_dir, err, "configs/%s/%s", from->key, name);

	if (r == 0)
		r = kf_path(KF_DIR_CACHE, path, err, "configs/%s/%s/lock", from->key, name);
	return r < 0 ? r : kf_lock_take(path, kf_now_ms() + from->wait_ms, ret_lock, err);
}

static int complete(const struct kf_from_board *from, const char *dir, const char *text,
		    struct kf_kconfig *ret, struct kf_error *err)
{
	return kf_olddefconfig(from->tree, dir, text, strlen(text), from->wait_ms,
			       kf_now_ms() + from->timeout_ms, ret, err);
}

/* Compare the saved configuration with the board's. 1: take the board's; 0: keep the saved one. */
static int choose(const struct kf_from_board *from, const char *differences, struct kf_error *err)
{
	int r;

	if (from->take)
		return 1;
	if (from->tty >= 0) {
		r = kf_terminal_confirm(from->tty, err,
					"%s: what is saved is not what the board runs: %s. Save "
					"the board's?",
					from->key, differences);
		return r != -ECANCELED ? r
				       : kf_fail(err, KF_NOT_SAVED,
						 "the question was left without an answer, so "
						 "nothing is done");
	}
	kf_fail(err, KF_CONFIG_DIFFERENCE, "what is saved is not what the board runs: %s",
		differences);
	kf_error_hint(err,
		      "on a terminal kf config %s --from-board asks which to take; "
		      "--accept-difference takes the board's",
		      from->key);
	return kf_code_errno(KF_CONFIG_DIFFERENCE);
}

/*
 * savedefconfig leaves out what was the default of the board's own tree. Another tree may have
 * others: what comes out has to be what the board's constants say.
 */
static int check_constants(const struct kf_from_board *from, const struct kf_facts *facts,
			   const struct kf_kconfig *board, struct kf_error *err)
{
	const struct kf_told told = { .facts = facts };
	char differences[512], mcu[64];

	if (from->take || !kf_told_differs(&told, board, differences, sizeof(differences)))
		return 0;
	kf_fail(err, KF_CONFIG_DIFFERENCE,
		"the source tree makes something else of what the board carries: %s", differences);
	/* Another MCU is refused also with --accept-difference. */
	if (kf_facts_text(facts, "MCU", mcu, sizeof(mcu)) && !kf_mcu_same(mcu, board->mcu))
		kf_error_hint(err, "choose the board's MCU: kf config %s --menuconfig", from->key);
	else
		kf_error_hint(err, "to take it as it is now: the same command with "
				   "--accept-difference");
	return kf_code_errno(KF_CONFIG_DIFFERENCE);
}

/* Compare with what is saved at path, both completed by the tree. As choose(). */
static int compare_saved(const struct kf_from_board *from, const char *path, const char *dir,
			 const struct kf_kconfig *board, struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig saved = { 0 }, now = { 0 };
	char differences[512], lost[KF_LOST_SIZE], more[KF_LOST_SIZE];
	int r = kf_kconfig_load(path, &saved, err);

	if (r == 0)
		r = complete(from, dir, saved.text, &now, err);
	if (r < 0)
		return r;
	(void)kf_kconfig_differences(&now, board, "board", differences, sizeof(differences));
	kf_kconfig_lost(&now, board, lost);
	kf_kconfig_lost(board, &now, more);
	if (lost[0])
		kf_text_add(differences, sizeof(differences), "; only saved: ", lost);
	if (more[0])
		kf_text_add(differences, sizeof(differences), "; only the board's: ", more);
	return differences[0] ? choose(from, differences, err) : 1;
}

static int no_kconfig(const char *key, struct kf_error *err)
{
	kf_fail(err, KF_NO_CONFIG,
		"the firmware that it runs carries no Kconfig: those of before September 2026 have "
		"none");
	kf_error_hint(err, "kf config %s opens menuconfig with what the board does tell", key);
	return kf_code_errno(KF_NO_CONFIG);
}

int kf_from_board(const struct kf_from_board *from, const struct kf_facts *facts,
		  char ret_path[PATH_MAX], struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig board = { 0 };
	_cleanup_(kf_closep) int lock = -1;
	char saved[PATH_MAX], dir[PATH_MAX];
	int r;

	if (!facts->kconfig)
		return no_kconfig(from->key, err);
	r = open_place(from, "board", dir, &lock, err);
	if (r == 0)
		r = kf_path(KF_DIR_CACHE, ret_path, err, "configs/%s/board/own.config", from->key);
	if (r == 0)
		r = kf_file_write(ret_path, facts->kconfig, strlen(facts->kconfig), err);
	if (r == 0)
		r = complete(from, dir, facts->kconfig, &board, err);
	if (r == 0)
		r = check_constants(from, facts, &board, err);
	if (r == 0)
		r = kf_saved_config_path(from->key, saved, err);
	if (r < 0)
		return r;
	return access(saved, F_OK) < 0 ? 1 : compare_saved(from, saved, dir, &board, err);
}

struct kf_told kf_told_of(const struct kf_board *board, const struct kf_board_told *told)
{
	return (struct kf_told){
		.facts = told->facts.constants ? &told->facts : NULL,
		.mcu = told->mcu[0] ? told->mcu : board->mcu,
		.usb = board->mode == KF_MODE_KLIPPER ? &board->usb : NULL,
		.katapult = told->katapult,
		.katapult_start = told->katapult_start,
		.pins = told->has_pins ? &told->pins : NULL,
	};
}

int kf_propose_board(const struct kf_from_board *from, const struct kf_board *board,
		     const struct kf_board_told *told, struct kf_proposal *ret,
		     struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig config = { 0 };
	_cleanup_(kf_closep) int lock = -1;
	const struct kf_told known = kf_told_of(board, told);
	char dir[PATH_MAX];
	int r = open_place(from, "proposal", dir, &lock, err);

	*ret = (struct kf_proposal){ 0 };
	return r < 0 ? r
		     : kf_propose(from->tree, &known, dir, from->wait_ms,
				  kf_now_ms() + from->timeout_ms, ret, &config, err);
}

/* Nobody can be asked. */
static int unanswered(const char *key, const struct kf_proposal *p, struct kf_error *err)
{
	char what[256] = "";

	for (size_t i = 0; i < p->question_count; i++)
		kf_text_add(what, sizeof(what), ", ", p->questions[i].what);
	kf_fail(err, KF_NO_CONFIG,
		"no configuration is saved for this board, and nothing tells its %s", what);
	kf_error_hint(err,
		      "kf config %s on a terminal asks; a .config that you have: kf config %s "
		      "--from=FILE",
		      key, key);
	return kf_code_errno(KF_NO_CONFIG);
}

/* The number that was typed, or q->count. */
static size_t read_choice(const struct kf_question *q, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!text[0]) {
		size_t i = 0;

		while (i < q->count && !q->choices[i].tree_default)
			i++;
		return i;
	}
	return *end || n < 1 || n > q->count ? q->count : n - 1;
}

/* 1: *ret is the choice; 0: menuconfig. */
static int ask_choice(const struct kf_from_board *from, const struct kf_question *q, size_t *ret,
		      struct kf_error *err)
{
	char answer[64];
	int r;

	dprintf(from->tty, "%s: choose the %s: %s\n", from->key, q->what,
		q->why[0] ? q->why : "nothing tells it");
	for (size_t i = 0; i < q->count; i++)
		dprintf(from->tty, "  %2zu) %s%s\n", i + 1, q->choices[i].label,
			q->choices[i].tree_default ? "   (the tree's default)" : "");
	for (;;) {
		r = kf_terminal_ask(
			from->tty, answer, sizeof(answer), err,
			"Which? [number, Enter: the default, m: menuconfig, q: leave] ");
		if (r < 0)
			return r;
		if (r == 0 || strcasecmp(answer, "q") == 0)
			return kf_fail(err, KF_NOT_SAVED,
				       "the %s was not chosen, so nothing is done", q->what);
		if (strcasecmp(answer, "m") == 0)
			return 0;
		*ret = read_choice(q, answer);
		if (*ret < q->count)
			return 1;
		dprintf(from->tty, "  a number from 1 to %zu\n", q->count);
	}
}

/* 1: all questions are answered. 0: menuconfig. */
static int ask_all(const struct kf_from_board *from, const struct kf_told *known, const char *dir,
		   struct kf_proposal *p, struct kf_error *err)
{
	size_t choice = 0;
	int r = 1;

	for (int asked = 0; r > 0 && p->question_count > 0; asked++) {
		_cleanup_(kf_kconfig_free) struct kf_kconfig config = { 0 };
		const struct kf_question *q = &p->questions[0];

		if (from->tty < 0)
			return unanswered(from->key, p, err);
		if (q->count == 0 || asked == KF_QUESTIONS_MAX)
			return 0;
		r = ask_choice(from, q, &choice, err);
		if (r > 0 && !kf_proposal_answer(p, 0, choice))
			return 0;
		if (r > 0) {
			r = kf_proposal_complete(p, from->tree, known, dir, from->wait_ms,
						 kf_now_ms() + from->timeout_ms, &config, err);
			r = r < 0 ? r : 1;
		}
	}
	return r;
}

int kf_propose_ask(const struct kf_from_board *from, const struct kf_board *board,
		   const struct kf_board_told *told,
		   void (*show)(const char *key, const struct kf_proposal *proposal),
		   char ret_path[PATH_MAX], struct kf_error *err)
{
	_cleanup_(kf_freep) struct kf_proposal *p = calloc(1, sizeof(*p));
	_cleanup_(kf_kconfig_free) struct kf_kconfig config = { 0 };
	const struct kf_told known = kf_told_of(board, told);
	_cleanup_(kf_freep) char *text = NULL;
	_cleanup_(kf_closep) int lock = -1;
	char dir[PATH_MAX];
	int r;

	if (!p)
		return kf_fail_sys(err, ENOMEM, "a proposal");
	r = open_place(from, "proposal", dir, &lock, err);
	if (r == 0)
		r = kf_propose(from->tree, &known, dir, from->wait_ms,
			       kf_now_ms() + from->timeout_ms, p, &config, err);
	if (r == 0 && show)
		show(from->key, p);
	if (r == 0)
		r = ask_all(from, &known, dir, p, err);
	if (r <= 0)
		return r;
	r = kf_proposal_text(p, &text, err);
	if (r == 0)
		r = kf_path(KF_DIR_CACHE, ret_path, err, "configs/%s/proposal/own.config",
			    from->key);
	if (r == 0)
		r = kf_file_write(ret_path, text, strlen(text), err);
	return r < 0 ? r : 1;
}
