/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The services that stop for a flash and start again: systemd, Klippy, Moonraker. */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "doctor/check.h"
#include "klipper/print-state.h"
#include "systemd/hold.h"
#include "systemd/lease.h"
#include "systemd/units.h"
#include "usb/holder.h"
#include "usb/rules.h"

enum { CONSULT_MS = 4000, UNITS_MAX = 16, KLIPPIES_MAX = 8 };

static const char without_lease[] =
	"install the package, whose kf-leased does it for members of dialout; or allow it by a "
	"polkit rule for manage-units (Moonraker's own holds for the group moonraker-admin: sudo "
	"usermod -aG), or by passwordless sudo for systemctl";

/* The remedy if nothing guarantees the start: kf-leased may be there, but for another group. */
static void find_remedy(const char *unit, char *ret, size_t size)
{
	const struct group *group = NULL;
	char name[KF_NAME_SIZE];
	struct stat st;

	if (kf_lease_unit(unit, name, NULL) == 0 && stat(kf_lease_socket(), &st) == 0 && st.st_gid)
		group = getgrgid(st.st_gid);
	if (group)
		kf_group_remedy(st.st_gid, group->gr_name, ret, size);
	else
		kf_text_format(ret, size, "%s", without_lease);
}

/* Could a flash stop it, and what would start it again? */
static void check_unit(struct kf_doctor *doctor, struct kf_systemd *systemd, const char *unit)
{
	const char *guarantee = kf_unit_guarantee(systemd, unit);
	enum kf_right right = KF_RIGHT_NONE;
	struct kf_unit_state state = { 0 };
	struct kf_error err = { 0 };
	char remedy[384];

	find_remedy(unit, remedy, sizeof(remedy));
	if (kf_unit_known(systemd, unit, &state, &err) < 0)
		kf_doctor_report_error(doctor, KF_HEALTH_NOTE, unit, &err);
	else if (strcmp(guarantee, "none") != 0)
		kf_doctor_report(doctor, KF_HEALTH_OK, unit, NULL,
				 "what stops it for a flash starts it again, whatever is killed "
				 "meanwhile (%s)",
				 guarantee);
	else if (kf_unit_right(systemd, unit, &right, &err) == 0 && right != KF_RIGHT_NONE)
		kf_doctor_report(doctor, KF_HEALTH_NOTE, unit, remedy,
				 "you may stop and start it (%s), but nothing starts it again if "
				 "kf-service itself is killed",
				 kf_right_name(right));
	else
		kf_doctor_report(doctor, KF_HEALTH_WRONG, unit, remedy,
				 "you may neither stop nor start it");
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

/* Find the units that hold the boards' ports now; if there is none, Klipper's usual unit. */
static size_t find_units(struct kf_doctor *doctor, char (*units)[KF_NAME_SIZE])
{
	size_t count = 0;

	for (size_t i = 0; i < doctor->boards.count; i++)
		if (doctor->boards.list[i].key[0])
			count = add_unit(units, count, doctor->boards.list[i].holder.unit);
	return count ? count : add_unit(units, 0, "klipper.service");
}

void kf_doctor_services(struct kf_doctor *doctor)
{
	_cleanup_(kf_systemd_close) struct kf_systemd *systemd = NULL;
	char units[UNITS_MAX][KF_NAME_SIZE];
	size_t count = find_units(doctor, units);
	struct kf_error err = { 0 };

	if (kf_systemd_open(&systemd, &err) < 0)
		kf_doctor_report_error(doctor, KF_HEALTH_NOTE, "systemd", &err);
	for (size_t i = 0; systemd && i < count; i++)
		check_unit(doctor, systemd, units[i]);
}

/* Does somebody listen there? A server that has ended leaves its socket behind. */
static bool listens(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(kf_closep) int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && kf_text_format(address.sun_path, sizeof(address.sun_path), "%s", path) &&
	       (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
		errno == EAGAIN);
}

static void check_moonraker(struct kf_doctor *doctor, const struct kf_klippy *klippy)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < klippy->folder_count; i++) {
		if (!kf_text_format(path, sizeof(path), "%s/comms/moonraker.sock",
				    klippy->folders[i]) ||
		    !listens(path))
			continue;
		kf_doctor_report(doctor, KF_HEALTH_OK, "Moonraker", NULL, "it listens at %s", path);
		return;
	}
	kf_doctor_report(doctor, KF_HEALTH_NOTE, "Moonraker", NULL,
			 "no socket of it beside Klippy, process %d; Klippy itself is asked first",
			 (int)klippy->pid);
}

/* Only the Klippy that holds a board's port is asked before a flash. */
static bool has_our_port(const struct kf_doctor *doctor, pid_t pid)
{
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
		[KF_PRINT_UNCLEAR] = "does something that it does not tell",
		[KF_PRINT_IDLE] = "is idle",
		[KF_PRINT_DOWN] = "is down",
		[KF_PRINT_FILE] = "prints",
		[KF_PRINT_FILE_PAUSED] = "is paused",
		[KF_PRINT_STREAM] = "runs G-code",
		[KF_PRINT_STREAM_PAUSED] = "is paused",
	};
	bool ours = has_our_port(doctor, klippy->pid);
	struct kf_print_state print = { 0 };
	struct kf_error err = { 0 };
	char who[2 * KF_NAME_SIZE + 32];

	name_process(klippy->pid, who, sizeof(who));

	if (kf_print_state_ask(klippy, kf_now_ms() + CONSULT_MS, &print, &err) < 0) {
		kf_error_prefix(&err, "%s", who);
		kf_error_hint(
			&err,
			"%s: its boards are not flashed while it cannot be asked whether it "
			"prints",
			!klippy->api[0] ? "start klippy with -a "
					  "~/printer_data/comms/klippy.sock"
			: geteuid() != 0 && kf_holder_hidden(klippy->pid)
				? "run this as its user, or as root"
				: "look into its log, and restart it when nothing is printed");
		kf_doctor_report_error(doctor, ours ? KF_HEALTH_WRONG : KF_HEALTH_NOTE, "Klippy",
				       &err);
	} else {
		kf_doctor_report(doctor, KF_HEALTH_OK, "Klippy", NULL, "%s says that it %s%s%s",
				 who, doing[print.state], klippy->api[0] ? ", at " : "",
				 klippy->api);
	}
	check_moonraker(doctor, klippy);
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

	kf_klippy_each(check_printer, &printers);
	if (hidden)
		kf_doctor_report(
			doctor, KF_HEALTH_NOTE, "Klippy", NULL,
			"/proc does not show other users' processes (hidepid): a Klippy of "
			"another user is known only by the lock on its board's port");
	else if (!printers.count)
		kf_doctor_report(doctor, KF_HEALTH_NOTE, "Klippy", NULL,
				 "none runs: no print can be disturbed");
}
