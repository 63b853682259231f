/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Only a clear answer lets a Klippy be stopped; what cannot print need not answer. */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/process.h"
#include "core/text.h"
#include "flash/guard.h"
#include "klipper/consult.h"
#include "usb/holder.h"

enum { CONSULT_MS = 8000 };

/* "klipper.service (process 812 of root)" */
static void name_holder(const struct kf_holder *holder, char *ret, size_t size)
{
	struct kf_holder_facts facts;

	kf_holder_look(holder, &facts);
	kf_text_format(ret, size, "%s (process %d%s%s)",
		       facts.place[0]	    ? facts.place
		       : holder->command[0] ? holder->command
					    : "Klippy",
		       (int)holder->pid, facts.owner[0] ? " of " : "", facts.owner);
}

static int judge(const struct kf_printer *printer, const char *who, struct kf_error *err)
{
	const char *file = printer->file[0] ? printer->file : "a file";
	char progress[32] = "";
	int r;

	if (printer->percent >= 0)
		kf_text_format(progress, sizeof(progress), ", %d %% done", printer->percent);
	switch (printer->state) {
	case KF_PRINTER_PRINTING:
		return kf_fail(err, KF_PRINTING, "%s is printing %s%s", who, file, progress);
	case KF_PRINTER_PAUSED:
		r = kf_fail(err, KF_PRINTING, "%s has paused its print of %s%s", who, file,
			    progress);
		kf_error_hint(err, "let it end, or cancel it");
		return r;
	case KF_PRINTER_STREAMED:
		r = kf_fail(err, KF_PRINTING, "%s is running G-code, but not of a file of its own",
			    who);
		kf_error_hint(err, "a program streams a print to it, or a command still runs: "
				   "wait until it is idle");
		return r;
	case KF_PRINTER_HELD:
		r = kf_fail(err, KF_PRINTING, "%s has paused, but not a file of its own", who);
		kf_error_hint(
			err, "if a program streams a print to it, let that end; if nothing prints, "
			     "CLEAR_PAUSE says so");
		return r;
	default:
		return 0;
	}
}

/* By its command line, or (a wrapper around it) by its unit's name. */
static bool is_klippy(const struct kf_holder *holder, struct kf_klippy *ret)
{
	if (kf_klippy_find(holder->pid, ret))
		return true;
	*ret = (struct kf_klippy){ .pid = holder->pid };
	return strstr(holder->unit, "klipper") || strstr(holder->unit, "kalico");
}

static int consult(const struct kf_guard *guard, const struct kf_holder *holder,
		   struct kf_error *err)
{
	struct kf_klippy klippy;
	struct kf_printer printer;
	struct kf_error why;
	char who[2 * KF_NAME_SIZE + 32];
	int r;

	if (!is_klippy(holder, &klippy))
		return 0;
	name_holder(holder, who, sizeof(who));
	r = kf_klippy_consult(&klippy, kf_now_ms() + CONSULT_MS, &printer, &why);
	if (r == 0)
		return judge(&printer, who, err);
	/* It ended while we asked. */
	if (r != -EINTR && kf_process_signal(holder->pid, 0) == -ESRCH)
		return 0;
	if (r != -EINTR && guard->while_unknown)
		return 0;
	if (err)
		*err = why;
	if (r != -EINTR)
		kf_fail(err, KF_PRINTER_UNKNOWN, "nobody tells whether %s is printing: %s", who,
			why.message);
	return r;
}

int kf_guard_holder(struct kf_guard *guard, const struct kf_holder *holder, struct kf_error *err)
{
	struct kf_error answer = { .code = KF_OK };
	int r;

	for (size_t i = 0; i < guard->count; i++)
		if (guard->asked[i].pid == holder->pid) {
			if (err && guard->asked[i].err.code != KF_OK)
				*err = guard->asked[i].err;
			return kf_code_errno(guard->asked[i].err.code);
		}
	r = holder->pid ? consult(guard, holder, &answer) : 0;
	if (guard->count < KF_ARRAY_SIZE(guard->asked)) {
		guard->asked[guard->count].pid = holder->pid;
		guard->asked[guard->count++].err = answer;
	}
	if (r < 0 && err)
		*err = answer;
	return r;
}
