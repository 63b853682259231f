/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The services that stop for a flash and start again: systemd, Klippy, Moonraker. */
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "doctor/check.h"
#include "klippy/print-state.h"
#include "systemd/bus.h"
#include "systemd/hold.h"
#include "usb/holder.h"

enum { QUERY_MS = 10000, PRINT_STATE_MS = 4000, UNITS_MAX = 16, KLIPPIES_MAX = 8 };

/* Can a flash stop it, and which units would stop along with it? */
static void check_unit(struct kf_doctor *doctor, struct kf_bus *bus,
		       const char (*unit)[KF_NAME_SIZE])
{
	const struct kf_deadline deadline = { .ms = kf_now_ms() + QUERY_MS };
	_cleanup_(kf_json_decrefp) json_t *units = NULL;
	struct kf_unit_state state;
	struct kf_error err = { 0 };
	const json_t *said, *name;
	char along[256] = "";
	size_t i;
	int r = kf_bus_known(bus, *unit, &deadline, &state, &err);

	if (r < 0) {
		kf_doctor_report_error(doctor, KF_HEALTH_NOTE, *unit, &err);
		return;
	}
	r = kf_lease_status(unit, 1, &units, &err);
	said = json_array_get(units, 0);
	if (r == 0 && !json_is_array(json_object_get(said, "along")))
		r = kf_lease_read_error(said, &err);
	if (r < 0) {
		kf_doctor_report_error(doctor, KF_HEALTH_WRONG, *unit, &err);
		return;
	}
	json_array_foreach(json_object_get(said, "along"), i, name) {
		if (!kf_text_add(along, sizeof(along), ", ", json_string_value(name)))
			break; /* enough to know it by */
	}
	kf_doctor_report(doctor, KF_HEALTH_OK, *unit, NULL,
			 "a flash can stop it and starts it again, also if programs are killed "
			 "meanwhile%s%s",
			 along[0] ? "; so it does with what stops along: " : "", along);
}

static size_t add_unit(char (*units)[KF_NAME_SIZE], size_t count, const char *unit)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(units[i], unit) == 0)
			return count;
	if (!*unit || count == UNITS_MAX || !kf_text_format(units[count], KF_NAME_SIZE, "%s", unit))
		return count;
	return count + 1;
}

/* Find the units that hold the boards' ports now, or name boards; else Klipper's usual unit. */
static size_t find_units(struct kf_doctor *doctor, char (*units)[KF_NAME_SIZE])
{
	size_t count = 0;

	for (size_t i = 0; i < doctor->boards.count; i++)
		if (doctor->boards.list[i].key[0])
			count = add_unit(units, count, doctor->boards.list[i].holder.unit);
	for (size_t i = 0; i < doctor->printers.count; i++)
		if (doctor->printers.list[i].mcus.count > 0)
			count = add_unit(units, count, doctor->printers.list[i].unit);
	return count ? count : add_unit(units, 0, "klipper.service");
}

void kf_doctor_services(struct kf_doctor *doctor)
{
	const struct kf_deadline deadline = { .ms = kf_now_ms() + QUERY_MS };
	_cleanup_(kf_bus_close) struct kf_bus *bus = NULL;
	char units[UNITS_MAX][KF_NAME_SIZE];
	size_t count = find_units(doctor, units);
	struct kf_error err = { 0 };

	if (kf_bus_open(&deadline, &bus, &err) < 0)
		kf_doctor_report_error(doctor, KF_HEALTH_NOTE, "systemd", &err);
	for (size_t i = 0; bus && i < count; i++)
		check_unit(doctor, bus, &units[i]);
}

/* The Klippy that holds a board's port, or names a board, is asked before a flash. */
static bool has_board(const struct kf_doctor *doctor, pid_t pid)
{
	for (size_t i = 0; i < doctor->printers.count; i++)
		if (doctor->printers.list[i].pid == pid && doctor->printers.list[i].mcus.count > 0)
			return true;
	for (size_t i = 0; i < doctor->boards.count; i++)
		if (doctor->boards.list[i].key[0] && doctor->boards.list[i].holder.pid == pid)
			return true;
	return false;
}

/* "process 812 of root, Docker container 0123456789ab" */
static void name_process(pid_t pid, char *ret, size_t size)
{
	const struct kf_holder holder = kf_holder_of(pid);
	struct kf_holder_facts facts;

	kf_holder_find_facts(&holder, &facts);
	kf_text_format(ret, size, "process %d%s%s%s%s", (int)pid, facts.owner[0] ? " of " : "",
		       facts.owner, facts.place[0] ? ", " : "", facts.place);
}

static void check_klippy(struct kf_doctor *doctor, const struct kf_klippy *klippy)
{
	static const char *const doing[] = {
		[KF_PRINT_UNCLEAR] = "does not say whether it prints",
		[KF_PRINT_IDLE] = "is idle",
		[KF_PRINT_DOWN] = "is down",
		[KF_PRINT_FILE] = "prints",
		[KF_PRINT_FILE_PAUSED] = "is paused",
		[KF_PRINT_STREAM] = "runs G-code",
		[KF_PRINT_STREAM_PAUSED] = "is paused",
	};
	bool ours = has_board(doctor, klippy->pid);
	struct kf_print_state print = { 0 };
	struct kf_error err = { 0 };
	char who[2 * KF_NAME_SIZE + 32];

	name_process(klippy->pid, who, sizeof(who));

	if (kf_print_state_ask(klippy, kf_now_ms() + PRINT_STATE_MS, &print, &err) < 0) {
		kf_error_prefix(&err, "%s", who);
		kf_error_hint(
			&err,
			"%s: its boards are not flashed while it does not say whether it prints",
			!klippy->api[0] ? "start klippy with -a "
					  "~/printer_data/comms/klippy.sock"
			: geteuid() != 0 && kf_holder_hidden(klippy->pid)
				? "run this as its user, or as root"
				: "read its log, and restart it when it does not print");
		kf_doctor_report_error(doctor, ours ? KF_HEALTH_WRONG : KF_HEALTH_NOTE, "Klippy",
				       &err);
	} else {
		kf_doctor_report(doctor, KF_HEALTH_OK, "Klippy", NULL, "%s says that it %s%s%s",
				 who, doing[print.state], klippy->api[0] ? ", at " : "",
				 klippy->api);
	}
}

struct printers {
	struct kf_doctor *doctor;
	size_t count;
};

static bool check_printer(const struct kf_klippy *klippy, void *arg)
{
	struct printers *printers = arg;

	check_klippy(printers->doctor, klippy);
	return ++printers->count < KLIPPIES_MAX && !kf_stop_signal();
}

void kf_doctor_printers(struct kf_doctor *doctor)
{
	struct printers printers = { .doctor = doctor };
	bool hidden = access("/proc/1", F_OK) < 0;
	struct kf_error problem = { 0 };

	kf_klippy_each(check_printer, &printers);
	for (size_t i = 0; i < doctor->printers.count; i++)
		if (kf_printer_problem(&doctor->printers.list[i], &problem))
			kf_doctor_report_error(doctor, KF_HEALTH_NOTE,
					       doctor->printers.list[i].name, &problem);
	if (hidden)
		kf_doctor_report(
			doctor, KF_HEALTH_NOTE, "Klippy", NULL,
			"/proc does not show other users' processes (hidepid): a Klippy of "
			"another user is known only by the lock on its board's port");
	else if (!printers.count)
		kf_doctor_report(doctor, KF_HEALTH_NOTE, "Klippy", NULL,
				 "none runs, so no print can be disturbed");
}
