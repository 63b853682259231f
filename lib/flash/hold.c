/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Chain loading: kf-flash becomes kf-service hold, which starts it again as its COMMAND. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board/port.h"
#include "board/record.h"
#include "core/clock.h"
#include "core/text.h"
#include "core/toolpath.h"
#include "flash/hold.h"
#include "klippy/klippy.h"
#include "usb/grabbers.h"
#include "usb/holder.h"

static bool named(const struct kf_hold *hold, const char *unit)
{
	for (size_t i = 0; i < hold->count; i++)
		if (strcmp(hold->units[i], unit) == 0)
			return true;
	return false;
}

static bool is_printers(const char *unit)
{
	return strstr(unit, "klipper") || strstr(unit, "kalico") || strstr(unit, "moonraker");
}

/* "812 of root (python3, klipper.service)" */
static void name_process(const struct kf_holder *holder, const struct kf_holder_facts *facts,
			 char *ret, size_t size)
{
	bool both = holder->command[0] && facts->place[0];

	kf_text_format(ret, size, "%d%s%s (%s%s%s)", (int)holder->pid,
		       facts->owner[0] ? " of " : "", facts->owner,
		       holder->command[0] || facts->place[0] ? holder->command : "hidden",
		       both ? ", " : "", facts->place);
}

static int fail_busy(const struct kf_board *board, bool holds, struct kf_error *err)
{
	const struct kf_holder *holder = &board->holder;
	const struct kf_grabber *grabber = kf_grabber_find(holder);
	struct kf_holder_facts facts;
	struct kf_klippy klippy;
	char process[3 * KF_NAME_SIZE + 32], place[KF_DEV_SIZE];
	const char *when;

	kf_holder_find_facts(holder, &facts);
	name_process(holder, &facts, process, sizeof(process));
	kf_board_place(board, place, sizeof(place));
	if (board->tty[0])
		kf_fail(err, KF_BUSY, "%s is open in process %s", board->tty, process);
	else
		kf_fail(err, KF_BUSY, "%s is in use by process %s", place, process);
	if (grabber) {
		return kf_error_hint(err, "%s%s%s", grabber->remedy[0], board->usb.vendor,
				     grabber->remedy[1]);
	}
	if (kf_holder_remark(holder)[0]) {
		kf_fail(err, KF_BUSY, "%s is open in process %s: %s", board->tty, process,
			kf_holder_remark(holder));
		return kf_error_hint(err, "wait for 5 seconds, then run the same command again");
	}
	if (strncmp(holder->unit, "serial-getty@", strlen("serial-getty@")) == 0) {
		return kf_error_hint(
			err,
			"it is a login for people on this port: sudo systemctl disable --now %s",
			holder->unit);
	}
	when = kf_klippy_find(holder->pid, &klippy) ? "when nothing is printed, " : "";
	if (holder->unit[0] && !holds && is_printers(holder->unit))
		kf_error_hint(err, "%sstop it (%s), or leave out --no-service", when, facts.stop);
	else if (holder->unit[0] && holds)
		kf_error_hint(err, "%sstop it (%s), or name it with -u %s", when, facts.stop,
			      holder->unit);
	else
		kf_error_hint(err, "%s%s it (%s), then try again", when,
			      facts.place[0] ? "stop" : "end", facts.stop);
	return -EBUSY;
}

int kf_hold_busy(const struct kf_board *board, struct kf_error *err)
{
	return fail_busy(board, true, err);
}

bool kf_hold_stops(const struct kf_hold *hold, const struct kf_holder *holder)
{
	return !hold->off && holder->unit[0] &&
	       (named(hold, holder->unit) || is_printers(holder->unit));
}

int kf_hold_holder(struct kf_hold *hold, const struct kf_board *board, struct kf_error *err)
{
	const struct kf_holder *holder = &board->holder;

	if (!holder->pid)
		return 0;
	if (kf_hold_stops(hold, holder))
		return kf_unit_add(hold->units, &hold->count, holder->unit, err);
	return fail_busy(board, !hold->off, err);
}

/* The records become standard input. */
static int feed(const json_t *records, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = -1;
	int r = kf_records_save(records, &fd, err);

	if (r == 0 && dup2(fd, STDIN_FILENO) < 0)
		r = kf_fail_sys(err, errno, "cannot pass the records on");
	return r;
}

int kf_hold_exec(const struct kf_hold *hold, int64_t wait_ms, bool while_unknown, char *const *argv,
		 const json_t *records, struct kf_error *err)
{
	char service[PATH_MAX], self[PATH_MAX], wait[48];
	size_t argc = 0, n = 0;
	_cleanup_(kf_freep) const char **args = NULL;
	ssize_t len;
	int r;

	while (argv[argc])
		argc++;
	args = calloc(4 + 2 * hold->count + 3 + argc, sizeof(*args));
	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (!args || len < 0)
		return kf_fail_sys(err, errno, "cannot start kf-service");
	self[len] = '\0';
	r = kf_tool_find("kf-service", service, err);
	if (r < 0)
		return r;
	args[n++] = service;
	args[n++] = "hold";
	kf_text_format(wait, sizeof(wait), "--wait=%.3f", (double)wait_ms / 1000);
	args[n++] = wait;
	if (while_unknown)
		args[n++] = "--while-unknown";
	for (size_t i = 0; i < hold->count; i++) {
		args[n++] = "-u";
		args[n++] = hold->units[i];
	}
	args[n++] = "--";
	args[n++] = self;
	args[n++] = "--no-service";
	for (size_t i = 1; i < argc; i++)
		args[n++] = argv[i];
	r = feed(records, err);
	if (r == 0) {
		kf_stop_reset_child();
		execvp(service, (char *const *)args);
		r = kf_fail_sys(err, errno, "cannot start %s", service);
	}
	return r;
}
