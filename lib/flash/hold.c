/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Chain loading: take the thing, then become the program that needs it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "core/toolpath.h"
#include "flash/hold.h"
#include "klipper/klippy.h"
#include "usb/holder.h"

int kf_hold_unit(struct kf_hold *hold, const char *unit, struct kf_error *err)
{
	for (size_t i = 0; i < hold->count; i++)
		if (strcmp(hold->units[i], unit) == 0)
			return 0;
	if (hold->count == KF_HOLD_MAX)
		return kf_fail(err, KF_USAGE, "more than %d units to stop", KF_HOLD_MAX);
	kf_text_format(hold->units[hold->count++], KF_NAME_SIZE, "%s", unit);
	return 0;
}

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

/* Programs that open every new serial port. They have no business with a printer's board. */
static const struct {
	const char *name;    /* of the process, and how its units begin */
	const char *hint[2]; /* the USB vendor stands between */
} intruders[] = {
	{ "ModemManager",
	  { "it takes boards for modems: sudo systemctl mask --now ModemManager; or keep it, with "
	    "a line ATTRS{idVendor}==\"",
	    "\", ENV{ID_MM_DEVICE_IGNORE}=\"1\" in /etc/udev/rules.d/60-printer-boards.rules, "
	    "then sudo udevadm control --reload, and plug the board in again" } },
	{ "brltty",
	  { "it takes boards (USB vendor ",
	    ") for braille displays: sudo apt remove brltty, or sudo systemctl mask --now "
	    "brltty.service brltty-udev.service; then plug the board in again" } },
};

/* "812 of root (python3, klipper.service)" */
static void name_process(const struct kf_holder *holder, const struct kf_holder_facts *facts,
			 char *ret, size_t size)
{
	bool both = holder->command[0] && facts->place[0];

	kf_text_format(ret, size, "%d%s%s (%s%s%s)", (int)holder->pid,
		       facts->owner[0] ? " of " : "", facts->owner,
		       holder->command[0] || facts->place[0] ? holder->command : "hidden by /proc",
		       both ? ", " : "", facts->place);
}

/* The hint for a port grabber; false: the holder is none. */
static bool is_grabber(const struct kf_board *board, struct kf_error *err)
{
	const struct kf_holder *holder = &board->holder;

	for (size_t i = 0; i < KF_ARRAY_SIZE(intruders); i++) {
		size_t len = strlen(intruders[i].name);

		if (strncmp(holder->command, intruders[i].name, len) != 0 &&
		    strncmp(holder->unit, intruders[i].name, len) != 0)
			continue;
		kf_error_hint(err, "%s%s%s", intruders[i].hint[0], board->usb.vendor,
			      intruders[i].hint[1]);
		return true;
	}
	return false;
}

static int fail_busy(const struct kf_board *board, bool holds, struct kf_error *err)
{
	const struct kf_holder *holder = &board->holder;
	struct kf_holder_facts facts;
	struct kf_klippy klippy;
	char process[3 * KF_NAME_SIZE + 32];
	const char *when;

	kf_holder_look(holder, &facts);
	name_process(holder, &facts, process, sizeof(process));
	kf_fail(err, KF_BUSY, "%s is open in process %s", board->tty, process);
	if (is_grabber(board, err))
		return -EBUSY;
	if (kf_holder_remark(holder)[0]) {
		kf_fail(err, KF_BUSY, "%s is open in process %s: %s", board->tty, process,
			kf_holder_remark(holder));
		kf_error_hint(err, "wait for these 5 seconds, then run the same command again");
		return -EBUSY;
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
		return kf_hold_unit(hold, holder->unit, err);
	return fail_busy(board, !hold->off, err);
}

/* The records as a file of ours in memory, at its start, on standard input. */
static int feed(const json_t *records, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = memfd_create("records", MFD_CLOEXEC);
	_cleanup_(kf_freep) char *text = NULL;
	const json_t *record;
	size_t i;

	if (fd < 0)
		return kf_fail_sys(err, errno, "cannot keep the records");
	json_array_foreach(records, i, record)
	{
		free(text);
		text = json_dumps(record, JSON_COMPACT);
		if (!text || dprintf(fd, "%s\n", text) < 0)
			return kf_fail_sys(err, errno, "cannot keep the records");
	}
	if (lseek(fd, 0, SEEK_SET) < 0 || dup2(fd, STDIN_FILENO) < 0)
		return kf_fail_sys(err, errno, "cannot pass the records on");
	return 0;
}

int kf_hold_exec(const struct kf_hold *hold, int64_t wait_ms, char *const *argv,
		 const json_t *records, struct kf_error *err)
{
	char service[PATH_MAX], self[PATH_MAX], wait[48];
	size_t argc = 0, n = 0;
	_cleanup_(kf_freep) const char **args = NULL;
	ssize_t len;
	int r;

	while (argv[argc])
		argc++;
	args = calloc(3 + 2 * hold->count + 3 + argc, sizeof(*args));
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
