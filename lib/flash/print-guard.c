/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A Klippy may be stopped only after a clear answer; a process that cannot print is not asked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/process.h"
#include "core/text.h"
#include "flash/print-guard.h"
#include "klippy/mcus.h"
#include "klippy/print-state.h"
#include "usb/holder.h"

enum { ASK_MS = 8000, HIDDEN_MS = 3000, QUIET_MS = 500 };

/* "Klippy (klipper.service, process 812 of root)" */
static void name_klippy(const struct kf_holder *holder, char *ret, size_t size)
{
	struct kf_holder_facts facts;

	kf_holder_find_facts(holder, &facts);
	kf_text_format(ret, size, "Klippy (%s%sprocess %d%s%s)", facts.place,
		       facts.place[0] ? ", " : "", (int)holder->pid, facts.owner[0] ? " of " : "",
		       facts.owner);
}

/* The states of kf_print_state in which a Klippy must not be stopped. */
static const struct {
	const char *text, *hint;
	bool file; /* the file and the progress follow */
} printing[] = {
	[KF_PRINT_FILE] = { "is printing", "", true },
	[KF_PRINT_FILE_PAUSED] = { "has paused its print of", "let it end, or cancel it", true },
	[KF_PRINT_STREAM] = { "is running G-code that does not come from a file",
			      "a program sends G-code to it, or a command still runs: wait "
			      "until "
			      "it is idle",
			      false },
	[KF_PRINT_STREAM_PAUSED] = { "has paused, but not a print of a file",
				     "if a program sends G-code to it, let that end; if nothing "
				     "prints, CLEAR_PAUSE ends the pause",
				     false },
};

static int check_printing(const struct kf_print_state *print, const char *name,
			  struct kf_error *err)
{
	const char *file = print->file[0] ? print->file : "a file";
	char progress[32] = "";
	int r;

	if (print->state >= KF_ARRAY_SIZE(printing) || !printing[print->state].text)
		return 0;
	if (print->percent >= 0 && printing[print->state].file)
		kf_text_format(progress, sizeof(progress), ", %d %% done", print->percent);
	r = kf_fail(err, KF_PRINTING, "%s %s%s%s%s", name, printing[print->state].text,
		    printing[print->state].file ? " " : "", printing[print->state].file ? file : "",
		    progress);
	return printing[print->state].hint[0]
		       ? kf_error_hint(err, "%s", printing[print->state].hint)
		       : r;
}

/* A Klippy is known by its command line, or, if a wrapper starts it, by the name of its unit. */
static bool is_klippy(const struct kf_holder *holder, struct kf_klippy *ret)
{
	if (kf_klippy_find(holder->pid, ret))
		return true;
	*ret = (struct kf_klippy){ .pid = holder->pid };
	return strstr(holder->unit, "klipper") || strstr(holder->unit, "kalico");
}

static bool gone(pid_t pid)
{
	return kf_process_signal(pid, 0) == -ESRCH;
}

static int ask_printing(const struct kf_print_guard *guard, const struct kf_holder *holder,
			struct kf_error *err)
{
	struct kf_klippy klippy;
	struct kf_print_state print;
	struct kf_error failure;
	char name[2 * KF_NAME_SIZE + 32];
	int r;

	if (!is_klippy(holder, &klippy))
		return 0;
	name_klippy(holder, name, sizeof(name));
	r = kf_print_state_ask(&klippy, kf_now_ms() + ASK_MS, &print, &failure);
	if (r == 0)
		return check_printing(&print, name, err);
	if (r == -EINTR && err)
		*err = failure;
	if (r == -EINTR)
		return r;
	/* The process may have ended while we asked. */
	if (gone(holder->pid) || guard->while_unknown)
		return 0;
	return kf_fail(err, KF_PRINTER_UNKNOWN, "%s cannot be asked whether it prints: %s", name,
		       failure.message);
}

int kf_print_guard_holder(struct kf_print_guard *guard, const struct kf_holder *holder,
			  struct kf_error *err)
{
	struct kf_error answer = { .code = KF_OK };
	int r;

	for (size_t i = 0; i < guard->checked_count; i++)
		if (guard->checked[i].pid == holder->pid) {
			if (err && guard->checked[i].err.code != KF_OK)
				*err = guard->checked[i].err;
			return kf_code_errno(guard->checked[i].err.code);
		}
	r = holder->pid ? ask_printing(guard, holder, &answer) : 0;
	if (guard->checked_count < KF_ARRAY_SIZE(guard->checked)) {
		guard->checked[guard->checked_count].pid = holder->pid;
		guard->checked[guard->checked_count++].err = answer;
	}
	if (r < 0 && err)
		*err = answer;
	return r;
}

struct kf_hidden {
	struct kf_klippy klippy;
	struct kf_holder holder;
	bool late;		 /* it did not answer in its time */
	struct kf_mcus mcus;	 /* of its configuration; none: it does not tell */
	struct kf_error failure; /* why not */
};

static bool add_hidden(const struct kf_klippy *klippy, void *arg)
{
	struct kf_print_guard *guard = arg;
	struct kf_hidden *list;
	struct kf_hidden one = { .klippy = *klippy, .late = true };

	if (!kf_holder_hidden(klippy->pid))
		return true;
	list = reallocarray(guard->hidden, guard->hidden_count + 1, sizeof(*list));
	if (!list)
		return false;
	guard->hidden = list;
	one.holder = kf_holder_of(klippy->pid);
	list[guard->hidden_count++] = one;
	return true;
}

static void request_mcus_of(struct kf_hidden *one, int64_t deadline_ms)
{
	struct kf_klippy_facts facts = { 0 };
	int r = kf_klippy_ask(&one->klippy, deadline_ms, &facts, &one->failure);

	one->late = r < 0 && kf_now_ms() >= deadline_ms;
	one->mcus = facts.mcus;
	/* Klippy has always an [mcu] in its configuration: without one, it has read none yet. */
	if (r == 0 && !facts.mcus.count)
		kf_fail(&one->failure, KF_PRINTER_UNKNOWN, "it does not tell its configuration");
}

/* Each gets its share of the remaining time; unused time goes to the next ones. */
static void request_mcus(struct kf_print_guard *guard, int64_t deadline_ms)
{
	size_t left = 0;

	for (size_t i = 0; i < guard->hidden_count; i++)
		left += guard->hidden[i].late;
	for (size_t i = 0; i < guard->hidden_count && !kf_stop_signal(); i++) {
		struct kf_hidden *one = &guard->hidden[i];
		int64_t now_ms = kf_now_ms(), end_ms;

		if (!one->late)
			continue;
		end_ms = now_ms + (deadline_ms > now_ms ? deadline_ms - now_ms : 0) / (int64_t)left;
		left--;
		request_mcus_of(one, end_ms);
	}
}

static void request_hidden_mcus(struct kf_print_guard *guard)
{
	int64_t start_ms = kf_now_ms();
	char name[2 * KF_NAME_SIZE + 32];

	request_mcus(guard, start_ms + QUIET_MS);
	for (size_t i = 0; i < guard->hidden_count; i++) {
		if (!guard->hidden[i].late)
			continue;
		name_klippy(&guard->hidden[i].holder, name, sizeof(name));
		if (guard->waits)
			guard->waits(name);
		request_mcus(guard, start_ms + HIDDEN_MS);
		break;
	}
}

static int find_hidden(struct kf_print_guard *guard, struct kf_error *err)
{
	if (guard->looked)
		return 0;
	guard->looked = kf_klippy_each(add_hidden, guard);
	if (guard->looked)
		request_hidden_mcus(guard);
	guard->looked = guard->looked && !kf_stop_signal();
	if (guard->looked)
		return 0;
	return kf_stop_signal()
		       ? kf_fail_stopped(err)
		       : kf_fail(err, KF_PRINTER_UNKNOWN, "/proc does not show which programs run");
}

static bool has_mcu(const struct kf_hidden *hidden, const struct kf_board *board)
{
	for (size_t i = 0; i < hidden->mcus.count; i++)
		if (kf_mcu_has_port(&hidden->mcus.list[i], board))
			return true;
	return false;
}

/*
 * Is each serial: of its MCUs a link of udev's that is there, below /dev/serial/by-id or by-path?
 * Such a name means the same port for all; /dev/ttyACM0 may be another one in a container.
 */
static bool has_links_only(const struct kf_hidden *hidden)
{
	static const char links[] = "/dev/serial/by-";
	struct stat st;

	for (size_t i = 0; i < hidden->mcus.count; i++) {
		const char *serial = hidden->mcus.list[i].serial;

		if (serial[0] &&
		    (strncmp(serial, links, strlen(links)) != 0 || stat(serial, &st) < 0))
			return false;
	}
	return true;
}

/*
 * A Klippy that prints has the flock(2) of all its ports. In a container it may have locked another
 * device node, which we do not see, and its ports may have other names there.
 */
static bool may_have(const struct kf_hidden *hidden, const struct kf_board *board, bool locked)
{
	struct kf_holder_facts facts;

	if (gone(hidden->holder.pid) || kf_holder_elsewhere(hidden->holder.pid, board->tty))
		return false;
	kf_holder_find_facts(&hidden->holder, &facts);
	if (hidden->mcus.count)
		return facts.container && !has_links_only(hidden);
	return locked || facts.container;
}

static int fail_unknown(const struct kf_hidden *hidden, const struct kf_board *board, bool locked,
			struct kf_error *err)
{
	char name[2 * KF_NAME_SIZE + 32];
	struct kf_holder_facts facts;

	name_klippy(&hidden->holder, name, sizeof(name));
	kf_holder_find_facts(&hidden->holder, &facts);
	kf_fail(err, KF_PRINTER_UNKNOWN, "%s may be in use by %s, %s: %s", board->tty, name,
		hidden->mcus.count ? "whose ports may have other names in its container"
				   : "and it cannot be asked whether it prints",
		hidden->mcus.count ? "its configuration names no link below /dev/serial"
				   : hidden->failure.message);
	return kf_error_hint(
		err, "look at the printer: if it does not print, %s it (%s), then try again%s",
		facts.place[0] ? "stop" : "end", facts.stop,
		locked ? "" : "; or go on with --while-unknown");
}

int kf_print_guard_port(struct kf_print_guard *guard, struct kf_board *board, struct kf_error *err)
{
	bool locked;
	int r;

	if (board->holder.pid || !board->tty[0])
		return 0;
	r = find_hidden(guard, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < guard->hidden_count; i++)
		if (has_mcu(&guard->hidden[i], board)) {
			board->holder = guard->hidden[i].holder;
			return 0;
		}
	locked = kf_holder_locked(board->tty) != 0;
	for (size_t i = 0; i < guard->hidden_count && !guard->while_unknown; i++)
		if (may_have(&guard->hidden[i], board, locked))
			return fail_unknown(&guard->hidden[i], board, locked, err);
	return 0;
}

void kf_print_guard_free(struct kf_print_guard *guard)
{
	for (size_t i = 0; i < guard->hidden_count; i++)
		kf_mcus_free(&guard->hidden[i].mcus);
	free(guard->hidden);
	*guard = (struct kf_print_guard){ 0 };
}
