/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registry is read to propose, and read again under the lock to change it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/interview.h"
#include "core/record.h"
#include "core/register.h"
#include "core/text.h"

bool kf_register_complete(const struct kf_register *request)
{
	return request->given.key[0] && request->given.name[0] && request->given.mcu[0];
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static int no_candidate(const struct kf_board *boards, size_t count, struct kf_error *err)
{
	char known[256] = "";

	for (size_t i = 0; i < count; i++)
		if (boards[i].key[0])
			kf_text_add(known, sizeof(known), ", ", boards[i].key);
	if (known[0])
		return kf_fail(err, KF_CONFIG, "every board that is there is registered: %s",
			       known);
	kf_fail(err, KF_NOTHING_CONNECTED, "there is no board to register");
	for (size_t i = 0; i < count; i++) {
		if (boards[i].tty[0] && !boards[i].excluded)
			kf_error_hint(err,
				      "if one is behind the USB-serial converter %s: --port=%s",
				      boards[i].tty, boards[i].usb.port);
	}
	return kf_code_errno(KF_NOTHING_CONNECTED);
}

static int several(const struct kf_board *boards, size_t count, struct kf_error *err)
{
	char ports[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		if (!kf_text_format(ports + used, sizeof(ports) - used, "%s%s (%s)",
				    used ? ", " : "", boards[i].usb.port, boards[i].usb.model))
			break;
		used = strlen(ports);
	}
	kf_fail(err, KF_AMBIGUOUS, "%zu boards could be meant, on the USB ports %s", count, ports);
	kf_error_hint(err, "say which: --port=%s", boards[0].usb.port);
	return kf_code_errno(KF_AMBIGUOUS);
}

/* No board there could be meant: is it away, or is another there? */
static int check_away(const char *port, const struct kf_board *boards, size_t count,
		      struct kf_error *err)
{
	for (size_t i = 0; i < count; i++) {
		if (!boards[i].key[0] || !boards[i].connected ||
		    strcmp(boards[i].usb.port, port) != 0)
			continue;
		kf_fail(err, KF_CONFIG, "the board on USB port %s is %s, registered already", port,
			boards[i].key);
		kf_error_hint(err, "for another board on that port, first: kf remove %s",
			      boards[i].key);
		return kf_code_errno(KF_CONFIG);
	}
	return 0;
}

/* Which board it is about: 1 and *ret, or 0 where a pattern or port needs none. */
static int choose(const struct kf_register *request, const struct kf_registry *registry,
		  struct kf_board *boards, size_t count, struct kf_board *ret, struct kf_error *err)
{
	const struct kf_enrolment *given = &request->given;
	bool named = given->pattern[0] || given->usb_port[0];
	bool asking = request->tty >= 0 && !kf_register_complete(request);
	size_t left, pick = 0;
	int r;

	left = kf_enrol_candidates(registry, boards, count, or_null(given->pattern),
				   or_null(given->usb_port), named || asking);
	if (left == 0)
		return named ? check_away(given->usb_port, boards, count, err)
			     : no_candidate(boards, count, err);
	if (left > 1 && !asking)
		return several(boards, left, err);
	/* A converter may be anything: the person says whether it is a board. */
	if (left > 1 || (!named && boards[0].mode == KF_MODE_OTHER)) {
		r = kf_interview_choose(request->tty, boards, left, &pick, err);
		if (r < 0)
			return r;
	}
	*ret = boards[pick];
	return 1;
}

/* What the user gave goes over what the board proposes. */
static void merge(struct kf_enrolment *e, const struct kf_enrolment *given)
{
#define TAKE(member)                                                                               \
	if (given->member[0])                                                                      \
	kf_text_format(e->member, sizeof(e->member), "%s", given->member)
	TAKE(key);
	TAKE(name);
	TAKE(mcu);
	TAKE(pattern);
	TAKE(usb_port);
	TAKE(flash_method);
#undef TAKE
}

/* A device by which its own board is not found again would be of no use. */
static int check_found(const struct kf_registry *registry, const struct kf_enrolment *e,
		       const struct kf_board *board, struct kf_error *err)
{
	struct kf_board again = *board;
	int r = kf_registry_identify(registry, &again, err);

	if (r < 0 || strcmp(again.key, e->key) == 0)
		return r;
	return kf_fail(err, KF_CONFIG,
		       "the board on USB port %s would not be known as %s again: %s%s",
		       board->usb.port, e->key, e->pattern[0] ? e->pattern : "no pattern, MCU ",
		       e->pattern[0] ? " does not fit it" : e->mcu);
}

static int save(const struct kf_enrolment *e, json_t *globals, const struct kf_board *board,
		struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	int r = kf_enrol_check_mcu(NULL, e->pattern, e->mcu, err);

	if (r == 0)
		r = kf_registry_open(&registry, err);
	if (r < 0)
		return r;
	json_object_update_missing(kf_registry_globals(&registry), globals);
	r = kf_enrol_add(&registry, e, err);
	if (r == 0 && board->connected)
		r = check_found(&registry, e, board, err);
	return r < 0 ? r : kf_registry_save(&registry, err);
}

/* The questions that are left, and the refusal where nobody can be asked. */
static int ask(const struct kf_register *request, const struct kf_registry *registry,
	       struct kf_enrolment *e, json_t *globals, struct kf_error *err)
{
	int r;

	if (kf_register_complete(request))
		return 0;
	if (request->tty < 0) {
		kf_fail(err, KF_USAGE,
			"there is no terminal to ask on for the board's key, name "
			"and MCU");
		kf_error_hint(err, "give them: --key=%s --name=\"%s\" --mcu=%s", e->key,
			      e->name[0] ? e->name : e->key,
			      e->mcu[0] ? e->mcu : "MCU, where MCU is its chip, such as stm32h723");
		return kf_code_errno(KF_USAGE);
	}
	r = kf_interview_board(request->tty, registry, &request->given, e, err);
	if (r == 0 && json_object_size(registry->root) == 0)
		r = kf_interview_globals(request->tty, globals, err);
	return r;
}

int kf_register_board(const struct kf_register *request, const json_t *records,
		      struct kf_enrolment *ret, struct kf_board *ret_board, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	_cleanup_(kf_json_decrefp) json_t *globals = json_object();
	size_t count = json_array_size(records);
	_cleanup_(kf_freep) struct kf_board *boards = calloc(count + 1, sizeof(*boards));
	struct kf_board board = { 0 };
	struct kf_enrolment e = { 0 };
	int r;

	if (!boards)
		return kf_fail_sys(err, ENOMEM, "%zu boards", count);
	r = kf_registry_load(&registry, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = kf_record_board(json_array_get(records, i), &boards[i], err);
	if (r == 0)
		r = choose(request, &registry, boards, count, &board, err);
	if (r < 0)
		return r;
	if (r > 0)
		kf_enrol_propose(&registry, &board, &e);
	merge(&e, &request->given);
	if (!e.name[0])
		kf_text_format(e.name, sizeof(e.name), "%s", e.mcu);
	if (!request->given.key[0])
		kf_enrol_key(&registry, e.name, e.key);
	r = ask(request, &registry, &e, globals, err);
	if (!e.flash_method[0])
		kf_text_format(e.flash_method, sizeof(e.flash_method), "%s",
			       kf_enrol_method(e.mcu));
	if (r == 0)
		r = save(&e, globals, &board, err);
	if (r < 0)
		return r;
	kf_text_format(board.key, sizeof(board.key), "%s", e.key);
	kf_text_format(board.name, sizeof(board.name), "%s", e.name);
	kf_text_format(board.mcu, sizeof(board.mcu), "%s", e.mcu);
	*ret = e;
	*ret_board = board;
	return 0;
}

const char *kf_register_told(const struct kf_board *board)
{
	return board->connected ? "registered" : "registered for later: it is not plugged in";
}
