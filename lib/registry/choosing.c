/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/text.h"
#include "registry/choosing.h"
#include "registry/registry.h"
#include "terminal/terminal.h"

static bool wanted(const json_t *record, const struct kf_board *board, bool all, bool absent)
{
	if (all)
		return board->key[0] || kf_record_failed(record);
	return board->key[0] && (board->connected || absent) && !board->excluded &&
	       !kf_record_failed(record);
}

/* No board can be chosen: say which connected boards there are, and why. */
static int nothing(const json_t *found, struct kf_error *err)
{
	struct kf_board board, excluded = { 0 };

	for (size_t i = 0; kf_record_at(found, i, &board); i++) {
		if (board.key[0] && board.excluded && board.connected)
			excluded = board;
		/* kf-scan has said why. */
		if (kf_record_failed(json_array_get(found, i)))
			return kf_fail(err, KF_AMBIGUOUS,
				       "the board at %s does not fit exactly one registered board",
				       board.tty[0] ? board.tty : board.usb.port);
		if (board.key[0] || board.excluded || board.mode == KF_MODE_OTHER ||
		    !board.connected)
			continue;
		kf_fail(err, KF_NOT_REGISTERED, "%s is connected, but it is not registered",
			kf_board_label(&board));
		return kf_error_hint(err, "%s", kf_registry_advice("register it with kf add"));
	}
	if (!excluded.key[0])
		return kf_fail(err, KF_NOTHING_CONNECTED, "no registered board is connected");
	kf_fail(err, KF_NOTHING_CONNECTED, "%s is connected, but excluded: %s", excluded.key,
		excluded.reason);
	if (strcmp(excluded.reason, KF_REASON_NOT_FLASHABLE) == 0)
		return kf_error_hint(err, "to include it: kf set %s flashable=true", excluded.key);
	return kf_error_hint(err, "to include it, remove it from blocked_devices in devices.json");
}

int kf_choosing_list(const json_t *found, bool all, bool absent, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *list = json_array();
	bool any = false;
	struct kf_board board;
	int r;

	for (size_t i = 0; kf_record_at(found, i, &board); i++) {
		if (!wanted(json_array_get(found, i), &board, all, absent))
			continue;
		any = any || board.connected || absent;
		if (json_array_append(list, json_array_get(found, i)) < 0)
			return kf_fail_sys(err, ENOMEM, "boards");
	}
	r = any ? 0 : nothing(found, err);
	if (r == 0 || all) {
		*ret = TAKE_PTR(list);
	}
	return r;
}

/* ": octopus-pro, nitehawk" of those that are connected, or of those that are not. */
static void list_labels(FILE *out, const json_t *boards, bool connected)
{
	const char *mark = ": ";
	struct kf_board board;

	for (size_t i = 0; kf_record_at(boards, i, &board); i++) {
		if (board.connected != connected)
			continue;
		fprintf(out, "%s%s", mark, kf_board_label(&board));
		mark = ", ";
	}
}

char *kf_choosing_summary(const json_t *boards)
{
	size_t count = 0, absent = 0, size;
	struct kf_board board;
	char *text = NULL;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (size_t i = 0; kf_record_at(boards, i, &board); i++) {
		count += board.connected;
		absent += !board.connected;
	}
	fprintf(f, "%zu board%s", count, count == 1 ? "" : "s");
	list_labels(f, boards, true);
	if (absent)
		fputs("; not connected", f);
	list_labels(f, boards, false);
	fclose(f);
	return text;
}

/* A line a board, numbered from 1. The caller frees it; NULL: no memory. */
static char *menu(const json_t *boards)
{
	int width = 0, len;
	struct kf_board board;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (size_t i = 0; kf_record_at(boards, i, &board); i++) {
		len = (int)strlen(board.key);
		width = len > width ? len : width;
	}
	for (size_t i = 0; kf_record_at(boards, i, &board); i++)
		fprintf(f, "%3zu  %-*s  %-12s  %-8s  %s\n", i + 1, width, board.key, board.mcu,
			board.mode ? kf_mode_name(board.mode) : "", board.name);
	fclose(f);
	return text;
}

static bool is(const char *word, const char *letter, const char *whole)
{
	return strcasecmp(word, letter) == 0 || strcasecmp(word, whole) == 0;
}

/* The index of the board that word means, or count: a number wins over a key that looks like it. */
static size_t find(const char *word, const json_t *boards, size_t count)
{
	struct kf_board board;
	size_t number = 0, i = 0;

	if (strspn(word, "0123456789") == strlen(word)) {
		for (; *word && number <= count; word++)
			number = number * 10 + (size_t)(*word - '0');
		return number >= 1 && number <= count ? number - 1 : count;
	}
	while (kf_record_at(boards, i, &board) && strcmp(word, board.key) != 0)
		i++;
	return i;
}

int kf_choosing_read(const json_t *boards, const char *answer, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *list = json_array();
	size_t count = json_array_size(boards), i;
	bool all = is(answer, "a", "all");
	char copy[1024], *rest, *word;

	if (!KF_COPY(copy, all || is(answer, "q", "quit") ? "" : answer))
		return kf_fail(err, KF_USAGE, "the answer is too long");
	for (i = 0; i < count; i++)
		json_array_append_new(list,
				      all ? json_incref(json_array_get(boards, i)) : json_null());
	for (word = strtok_r(copy, " ,", &rest); word; word = strtok_r(NULL, " ,", &rest)) {
		i = find(word, boards, count);
		if (i == count)
			return kf_fail(err, KF_USAGE, "\"%s\" is not one of these boards", word);
		json_array_set(list, i, json_array_get(boards, i));
	}
	for (i = count; i-- > 0;)
		if (json_is_null(json_array_get(list, i)))
			json_array_remove(list, i);
	if (json_array_size(list) == 0)
		return 0;
	*ret = TAKE_PTR(list);
	return 1;
}

int kf_choosing_ask(const json_t *boards, int tty, const char *verb, json_t **ret,
		    struct kf_error *err)
{
	_cleanup_(kf_freep) char *list = menu(boards);
	const char *problem = "", *mark = "";
	char answer[256];
	int r;

	if (!list)
		return kf_fail_sys(err, ENOMEM, "boards");
	if (json_array_size(boards) == 1) {
		r = kf_terminal_confirm(tty, false, err, "%s%s this board?", list, verb);
		if (r == -ECANCELED) {
			*err = (struct kf_error){ 0 };
			r = 0;
		}
		return r <= 0 ? r : kf_choosing_read(boards, "all", ret, err);
	}
	for (;;) {
		r = kf_terminal_ask(tty, answer, sizeof(answer), err,
				    "%s%s%s%s which? [numbers, a for all, q for none] ", problem,
				    mark, list, verb);
		if (r > 0)
			r = kf_choosing_read(boards, answer, ret, err);
		if (r >= 0)
			*err = (struct kf_error){ 0 }; /* of an answer before this one */
		if (r != -EINVAL)
			return r;
		problem = err->message;
		mark = "\n";
	}
}
