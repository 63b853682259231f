/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "build/family.h"
#include "build/image-read.h"
#include "build/olddefconfig.h"
#include "build/propose-ask.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"
#include "terminal/terminal.h"

enum { NAMES_MAX = 2, KATAPULT = 2 };

struct asking {
	struct kf_configure *c;
	const struct kf_board *board;
	struct kf_board_told *told;
	const struct kf_new_config *b;
	char dir[PATH_MAX]; /* the board's folder in the cache, locked */
	struct kf_proposal *p;
	struct kf_answers given; /* now */
	unsigned answered;	 /* subjects, a bit each */
	bool shown;		 /* the whole proposal was shown */
};

/*
 * Show what menuconfig begins with; after Katapult was asked, only what it told. A list of all
 * features that the firmware lacks would hide the rest: they are counted.
 */
static void show(const struct asking *a)
{
	const struct kf_proposal *p = a->p;
	char off[128] = "", more[32] = "";
	size_t count = 0;

	for (size_t i = 0; i < p->proposed_count; i++) {
		const struct kf_proposed *row = &p->proposed[i];

		if (!row->stands || (a->shown && strcmp(row->from, "Katapult") != 0))
			continue;
		if (strcmp(row->value, "n") == 0) {
			if (count++ < NAMES_MAX)
				kf_text_add(off, sizeof(off), ", ", row->symbol);
			continue;
		}
		kf_configure_say(a->c, a->board->key, "%s=%s, from: %s", row->symbol, row->value,
				 row->from);
	}
	if (count > NAMES_MAX)
		kf_text_format(more, sizeof(more), " and %zu more", count - NAMES_MAX);
	if (count > 0)
		kf_configure_say(a->c, a->board->key, "off, from: its commands: %s%s", off, more);
	if (!a->shown)
		kf_configure_say(a->c, a->board->key, "all else, from: the tree's default");
}

static int settle(struct asking *a, struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig config = { 0 };
	const struct kf_told known = kf_told_of(a->board, a->told);

	return kf_proposal_complete(a->p, a->c, &known, a->dir, &config, err);
}

static int make(struct asking *a, struct kf_error *err)
{
	const struct kf_told known = kf_told_of(a->board, a->told);
	const struct kf_answers *before = &a->b->before;
	int r = kf_proposal_make(&a->c->tree, &known, a->p, err);

	if (r < 0) {
		kf_error_hint(err, "if it is another MCU: kf set %s mcu=MCU, such as stm32h723",
			      a->board->key);
		return r;
	}
	a->answered = 0;
	for (size_t i = 0; i < before->count; i++)
		kf_proposal_suggest(a->p, before->list[i].symbol, before->list[i].value,
				    "your answer before");
	r = settle(a, err);
	if (r == 0)
		show(a);
	a->shown = true;
	return r;
}

/* Fail: there are questions, and no terminal to ask on. */
static int unanswered(const struct asking *a, struct kf_error *err)
{
	const char *key = a->board->key;
	char what[256] = "";

	for (size_t i = 0; i < a->p->question_count; i++)
		kf_text_add(what, sizeof(what), ", ", a->p->questions[i].what);
	kf_fail(err, KF_NO_CONFIG,
		"no configuration is saved for this board, and nothing tells its %s", what);
	return kf_error_hint(
		err,
		"kf config %s on a terminal asks; a .config that you have: kf config %s "
		"--from=FILE",
		key, key);
}

/* Can the board's Katapult be asked where it starts the application? It may have none. */
static bool may_ask_katapult(const struct asking *a, const struct kf_question *q)
{
	const struct kf_board *board = a->board;

	return q->subject == KF_SUBJECT_OFFSET && !a->told->katapult && board->connected &&
	       board->mode == KF_MODE_KLIPPER && board->tty[0];
}

static int ask_katapult(struct asking *a, struct kf_error *err)
{
	struct kf_error why = { 0 };
	char path[PATH_MAX];
	int r;

	r = kf_path_format(path, err, "%s/read.bin", a->dir);
	if (r < 0)
		return r;
	r = kf_image_read(a->c, a->board, NULL, path, KF_IMAGE_READ_START, a->told, &why);
	unlink(path);
	if (r == -EINTR) {
		*err = why;
		return r;
	}
	/* If kf-flash has not told why, this does. The question stays open. */
	if (r < 0 && !a->c->told)
		kf_terminal_tell(a->c->tty, "  %s\n", why.message);
	a->c->told = false;
	return r < 0 ? 0 : make(a, err);
}

/* Say why it is asked: what was told does not fit, or something is likely, or nothing tells it. */
static void show_question(const struct asking *a, const struct kf_question *q)
{
	const char *by_pins =
		strncmp(q->likely_from, "config/", 7) == 0 ? ", which its pins say" : "";
	const char *key = a->board->key;
	int tty = a->c->tty;

	if (q->why[0] || !q->likely_from[0])
		kf_terminal_tell(tty, "%s: choose the %s: %s\n", key, q->what,
				 q->why[0] ? q->why : "nothing tells it");
	else
		kf_terminal_tell(tty, "%s: choose the %s: likely %s%s\n", key, q->what,
				 q->choices[q->likely].label, by_pins);
}

static void show_choices(const struct asking *a, const struct kf_question *q)
{
	int tty = a->c->tty;

	show_question(a, q);
	for (size_t i = 0; i < q->count; i++) {
		bool likely = q->likely_from[0] && i == q->likely;

		kf_terminal_tell(tty, "  %2zu) %s%s%s%s%s\n", i + 1, q->choices[i].label,
				 q->choices[i].tree_default ? "   (the tree's default)" : "",
				 likely ? "   (" : "", likely ? q->likely_from : "",
				 likely ? ")" : "");
	}
	if (may_ask_katapult(a, q))
		kf_terminal_tell(tty,
				 "   k) ask its Katapult: Klipper is stopped for some seconds\n");
}

static int left(const struct asking *a, const struct kf_question *q, struct kf_error *err)
{
	kf_fail(err, KF_NOT_SAVED, "the %s was not chosen, so nothing is done", q->what);
	return kf_error_hint(err, "to be asked again: kf config %s", a->board->key);
}

/* Read the user's answer. 1: *ret is the choice; KATAPULT: ask that; 0: open menuconfig. */
static int read_choice(const struct asking *a, const struct kf_question *q, size_t *ret,
		       struct kf_error *err)
{
	char answer[64], *end;
	unsigned long n;
	int r;

	show_choices(a, q);
	for (;;) {
		r = kf_terminal_ask(a->c->tty, answer, sizeof(answer), err,
				    "Which? [number%s%s, m: menuconfig, q: leave] ",
				    q->likely < q->count ? ", Enter: " : "",
				    q->likely < q->count ? q->choices[q->likely].label : "");
		if (r < 0)
			return r;
		if (r == 0)
			return left(a, q, err);
		if (strcasecmp(answer, "m") == 0)
			return 0;
		if (strcasecmp(answer, "k") == 0 && may_ask_katapult(a, q))
			return KATAPULT;
		n = strtoul(answer, &end, 10);
		*ret = !answer[0] ? q->likely : *end || n < 1 ? q->count : n - 1;
		if (*ret < q->count)
			return 1;
		kf_terminal_tell(a->c->tty, "  a number from 1 to %zu\n", q->count);
	}
}

/* Find the answer of now or, unless all is asked again, of before. q->count: there is none. */
static size_t find_answer(const struct asking *a, const struct kf_question *q)
{
	const struct kf_answers *lists[] = { &a->given, a->b->again ? NULL : &a->b->before };

	for (size_t l = 0; l < KF_ARRAY_SIZE(lists); l++)
		for (size_t k = 0; lists[l] && k < lists[l]->count; k++)
			for (size_t i = 0; i < q->count; i++)
				if (strcmp(q->choices[i].symbol, lists[l]->list[k].symbol) == 0 &&
				    strcmp(q->choices[i].value, lists[l]->list[k].value) == 0)
					return i;
	return q->count;
}

/* Returns what read_choice does. A question that was answered before is left to menuconfig. */
static int choose(struct asking *a, const struct kf_question *q, size_t *ret, struct kf_error *err)
{
	bool again = a->answered & 1u << q->subject;
	int r;

	*ret = again ? q->count : find_answer(a, q);
	if (*ret < q->count)
		return 1;
	if (a->c->tty < 0)
		return unanswered(a, err);
	if (q->count == 0 || again)
		return 0;
	r = read_choice(a, q, ret, err);
	if (r == 1)
		kf_answers_add(&a->given, q->choices[*ret].symbol, q->choices[*ret].value);
	return r;
}

/* 1: all questions are answered. 0: menuconfig. */
static int ask_all(struct asking *a, struct kf_error *err)
{
	size_t choice = 0;
	int r = 1;

	while (r > 0 && a->p->question_count > 0) {
		const struct kf_question *q = &a->p->questions[0];

		r = choose(a, q, &choice, err);
		if (r == KATAPULT) {
			r = ask_katapult(a, err);
			r = r < 0 ? r : 1;
		} else if (r > 0) {
			a->answered |= 1u << q->subject;
			if (!kf_proposal_answer(a->p, 0, choice))
				return 0;
			r = settle(a, err);
			r = r < 0 ? r : 1;
		}
	}
	return r;
}

static void collect(const struct kf_proposal *p, struct kf_answers *ret)
{
	*ret = (struct kf_answers){ 0 };
	for (size_t i = 0; i < p->proposed_count; i++)
		if (p->proposed[i].answered && strlen(p->proposed[i].value) < 16)
			kf_answers_add(ret, p->proposed[i].symbol, p->proposed[i].value);
}

static int write_text(const struct asking *a, char ret_path[PATH_MAX], struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = NULL;
	int r = kf_proposal_text(a->p, &text, err);

	if (r == 0)
		r = kf_path(KF_DIR_CACHE, ret_path, err, "configs/%s/proposal/own.config",
			    a->board->key);
	return r < 0 ? r : kf_file_write(ret_path, text, strlen(text), err);
}

int kf_propose_ask(struct kf_configure *c, const struct kf_board *board, struct kf_board_told *told,
		   struct kf_new_config *b, struct kf_error *err)
{
	_cleanup_(kf_freep) struct kf_proposal *p = calloc(1, sizeof(*p));
	struct asking a = { .c = c, .board = board, .told = told, .b = b, .p = p };
	_cleanup_(kf_closep) int lock = -1;
	int r, w;

	if (!p)
		return kf_fail_sys(err, ENOMEM, "a proposal");
	r = kf_from_board_place(board->key, "proposal", c->wait_ms, a.dir, &lock, err);
	if (r == 0)
		r = make(&a, err);
	if (r == 0)
		r = ask_all(&a, err);
	if (r < 0)
		return r;
	collect(p, &b->answers);
	w = write_text(&a, b->path, err);
	return w < 0 ? w : r;
}
