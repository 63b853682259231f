/* SPDX-License-Identifier: GPL-3.0-or-later */
/* May this user open the boards' ports, and do the ports have names that last? */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "board/identity.h"
#include "core/text.h"
#include "doctor/check.h"
#include "usb/rules.h"

/* Debian's group for serial ports (udev's 50-udev-default.rules). */
static const char ports_group[] = "dialout";

static void check_node(struct kf_doctor *doctor, const char *subject, const char *path)
{
	const struct group *group;
	char name[KF_NAME_SIZE], remedy[384];
	struct stat st;
	bool shared;

	if (stat(path, &st) < 0) {
		kf_doctor_report(doctor, KF_HEALTH_WRONG, subject, "plug the board in again",
				 "%s: %s", path, strerror(errno));
		return;
	}
	group = getgrgid(st.st_gid);
	KF_COPY(name, group ? group->gr_name : "a group without name");
	if (access(path, R_OK | W_OK) == 0) {
		kf_doctor_report(doctor, KF_HEALTH_OK, subject, NULL,
				 "%s can be read and written (%s)", path, name);
		return;
	}
	shared = group && st.st_gid != 0 && (st.st_mode & 060) == 060;
	if (shared)
		kf_group_remedy(st.st_gid, name, remedy, sizeof(remedy));
	else
		kf_text_format(remedy, sizeof(remedy),
			       "install kalico-flash's udev rules, then plug the board in again");
	kf_doctor_report(doctor, KF_HEALTH_WRONG, subject, remedy,
			 "you may not open %s: it belongs to %s", path, name);
}

static bool ours(const struct kf_board *board)
{
	return board->connected && (board->key[0] || board->mode != KF_MODE_OTHER);
}

static void check_membership(struct kf_doctor *doctor)
{
	const struct group *group = getgrnam(ports_group);
	char remedy[384];

	if (geteuid() == 0) {
		kf_doctor_report(doctor, KF_HEALTH_OK, NULL, NULL, "root may open every port");
	} else if (!group) {
		kf_doctor_report(doctor, KF_HEALTH_NOTE, NULL, NULL,
				 "there is no group %s here: plug a board in, and run this again",
				 ports_group);
	} else if (kf_in_group(group->gr_gid)) {
		kf_doctor_report(doctor, KF_HEALTH_OK, NULL, NULL, "you are in the group %s",
				 ports_group);
	} else {
		kf_group_remedy(group->gr_gid, ports_group, remedy, sizeof(remedy));
		kf_doctor_report(doctor, KF_HEALTH_WRONG, NULL, remedy,
				 "you are not in the group %s, which owns the serial ports",
				 ports_group);
	}
}

void kf_doctor_rights(struct kf_doctor *doctor)
{
	const struct kf_board *board;
	size_t looked = 0;
	char path[KF_DEV_SIZE];

	for (size_t i = 0; i < doctor->boards.count; i++) {
		board = &doctor->boards.list[i];
		if (!ours(board))
			continue;
		if (board->tty[0])
			check_node(doctor, kf_board_label(board), board->tty);
		else if (kf_usb_node(board->usb.port, path))
			check_node(doctor, kf_board_label(board), path);
		else
			continue;
		looked++;
	}
	if (!looked)
		check_membership(doctor);
}

static bool has_link(const struct kf_board *board)
{
	return board->by_id[0] && access(board->by_id, F_OK) == 0;
}

void kf_doctor_links(struct kf_doctor *doctor)
{
	const struct kf_board *board;
	char remedy[384];
	size_t count = 0, missing = 0, in_rom = 0;

	for (size_t i = 0; i < doctor->boards.count; i++) {
		board = &doctor->boards.list[i];
		in_rom += board->connected && kf_board_in_rom(board);
		if (!ours(board) || !board->tty[0])
			continue;
		count++;
		if (has_link(board))
			continue;
		missing++;
		kf_text_format(
			remedy, sizeof(remedy), "update udev (systemd#25238); in printer.cfg, %s",
			board->by_path[0] ? board->by_path : "name it by /dev/serial/by-path");
		/* kf looks boards up by udev's properties: it is Klipper that needs the link. */
		kf_doctor_report(doctor, board->key[0] ? KF_HEALTH_WRONG : KF_HEALTH_NOTE,
				 kf_board_label(board), remedy,
				 "%s has no link in /dev/serial/by-id", board->tty);
	}
	if (!count && in_rom)
		kf_doctor_report(doctor, KF_HEALTH_OK, NULL, NULL,
				 "boards are plugged in, in a bootloader that has no serial port");
	else if (!count)
		kf_doctor_report(
			doctor, KF_HEALTH_NOTE, NULL,
			"check its power, and that its USB cable carries data: lsusb lists it",
			"no board with a serial port is plugged in");
	else if (!missing)
		kf_doctor_report(doctor, KF_HEALTH_OK, NULL, NULL,
				 count == 1
					 ? "the board's port has a link in /dev/serial/by-id"
					 : "each of the %zu ports has a link in /dev/serial/by-id",
				 count);
}
