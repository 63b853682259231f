/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an answer may say is decided by settings.c, as for files and command lines. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/interview.h"
#include "core/paths.h"
#include "core/settings.h"
#include "core/terminal.h"
#include "core/text.h"
#include "usb/identity.h"

enum { ANSWER_SIZE = 1024 };

/* One line; empty is the proposal. */
static int ask(int tty, const char *question, const char *proposal, char ret[ANSWER_SIZE],
	       struct kf_error *err)
{
	int r = kf_terminal_ask(tty, ret, ANSWER_SIZE, err,
				proposal[0] ? "%s [%s]: " : "%s: ", question, proposal);

	if (r == 0)
		return kf_fail(err, KF_INTERRUPTED, "left without an answer; nothing was changed");
	if (r > 0 && !ret[0])
		kf_text_format(ret, ANSWER_SIZE, "%s", proposal);
	return r < 0 ? r : 0;
}

static void complain(int tty, const struct kf_error *why)
{
	dprintf(tty, "  %s%s%s\n", why->message, why->hint[0] ? "; " : "", why->hint);
}

/* Ask for a member until the answer may be its value; it is then in members. */
static int ask_member(int tty, json_t *members, enum kf_scope scope, const char *member,
		      const char *question, const char *proposal, struct kf_error *err)
{
	char answer[ANSWER_SIZE], assignment[ANSWER_SIZE + 64];
	struct kf_error why = { 0 };
	int r;

	for (;;) {
		r = ask(tty, question, proposal, answer, err);
		if (r < 0)
			return r;
		kf_text_format(assignment, sizeof(assignment), "%s=%s", member, answer);
		if (kf_settings_assign(members, scope, assignment, &why) == 0)
			return 0;
		complain(tty, &why);
	}
}

static int ask_text(int tty, const char *member, const char *question, char *proposal_and_ret,
		    size_t size, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *scratch = json_object();
	int r = ask_member(tty, scratch, KF_SCOPE_DEVICE, member, question, proposal_and_ret, err);

	if (r == 0)
		kf_text_format(proposal_and_ret, size, "%s",
			       json_string_value(json_object_get(scratch, member)));
	return r;
}

static int ask_key(int tty, const struct kf_registry *registry, char ret[KF_KEY_SIZE],
		   struct kf_error *err)
{
	char answer[ANSWER_SIZE];
	struct kf_device device;
	int r;

	for (;;) {
		r = ask(tty, "Key, a short name for commands", ret, answer, err);
		if (r < 0)
			return r;
		if (!kf_key_valid(answer))
			dprintf(tty, "  at most 64 of a-z, 0-9, - and _, the first a letter or "
				     "digit\n");
		else if (kf_registry_device(registry, answer, &device, NULL) == 0)
			dprintf(tty, "  %s is registered already\n", answer);
		else
			break;
	}
	kf_text_format(ret, KF_KEY_SIZE, "%s", answer);
	return 0;
}

int kf_interview_choose(int tty, const struct kf_board *boards, size_t count, size_t *ret,
			struct kf_error *err)
{
	char answer[ANSWER_SIZE], by_id[KF_DEV_SIZE];
	unsigned long n;
	char *end;
	int r;

	for (size_t i = 0; i < count; i++) {
		kf_board_by_id(&boards[i], by_id);
		dprintf(tty, "  %zu) %s  %s, USB port %s\n", i + 1,
			by_id[0] ? by_id : boards[i].usb.model, kf_mode_name(boards[i].mode),
			boards[i].usb.port);
	}
	for (;;) {
		r = ask(tty, "Which board", count == 1 ? "1" : "", answer, err);
		if (r < 0)
			return r;
		n = strtoul(answer, &end, 10);
		if (end != answer && !*end && n >= 1 && n <= count)
			break;
		dprintf(tty, "  a number from 1 to %zu\n", count);
	}
	*ret = n - 1;
	return 0;
}

static int ask_mcu(int tty, struct kf_enrolment *proposed, struct kf_error *err)
{
	char mcu[sizeof(proposed->mcu)], named[64];
	int r;

	for (;;) {
		kf_text_format(mcu, sizeof(mcu), "%s", proposed->mcu);
		r = ask_text(tty, "mcu", "MCU", mcu, sizeof(mcu), err);
		if (r < 0 || !kf_enrol_other_mcu(proposed->pattern, mcu, named))
			break;
		dprintf(tty, "  the board says that it is %s\n", named);
	}
	kf_text_format(proposed->mcu, sizeof(proposed->mcu), "%s", mcu);
	return r;
}

int kf_interview_board(int tty, const struct kf_registry *registry,
		       const struct kf_enrolment *given, struct kf_enrolment *proposed,
		       struct kf_error *err)
{
	int r = 0;

	if (!given->name[0]) {
		r = ask_text(tty, "name", "Name of the board", proposed->name,
			     sizeof(proposed->name), err);
		if (r == 0 && !given->key[0])
			kf_enrol_key(registry, proposed->name, proposed->key);
	}
	if (r == 0 && !given->key[0])
		r = ask_key(tty, registry, proposed->key, err);
	if (r == 0 && !given->mcu[0])
		r = ask_mcu(tty, proposed, err);
	return r;
}

static void note_missing(int tty, const json_t *global, const char *member)
{
	const char *dir = json_string_value(json_object_get(global, member));
	const char *lacks = kf_settings_dir_lacks(dir);

	if (lacks)
		dprintf(tty, "  (%s %s)\n", dir, lacks);
}

int kf_interview_globals(int tty, json_t *global, struct kf_error *err)
{
	static const struct {
		const char *member, *question, *proposal;
	} questions[] = {
		{ "klipper_dir", "Klipper's or Kalico's source folder", "~/klipper" },
		{ "katapult_dir", "Katapult's source folder", "~/katapult" },
		{ "default_flash_method", "Flash method (katapult, make_flash or flashtool)",
		  "katapult" },
	};
	int r;

	for (size_t i = 0; i < KF_ARRAY_SIZE(questions); i++) {
		r = ask_member(tty, global, KF_SCOPE_GLOBAL, questions[i].member,
			       questions[i].question, questions[i].proposal, err);
		if (r < 0)
			return r;
		if (strstr(questions[i].member, "_dir"))
			note_missing(tty, global, questions[i].member);
	}
	return 0;
}
