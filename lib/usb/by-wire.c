/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "board/port.h"
#include "core/text.h"
#include "link/can-state.h"
#include "link/serial.h"
#include "usb/by-wire.h"

/* Reads the target of the symbolic link at path; false: it is no link. */
static bool follow(const char *path, char ret[PATH_MAX])
{
	char target[PATH_MAX];
	const char *to = target;
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	size_t dir = (size_t)(strrchr(path, '/') - path);

	if (len <= 0)
		return false;
	target[len] = '\0';
	for (; strncmp(to, "../", 3) == 0; to += 3)
		while (dir > 0 && path[--dir] != '/')
			;
	return to[0] == '/' ? kf_text_format(ret, PATH_MAX, "%s", to)
			    : kf_text_format(ret, PATH_MAX, "%.*s/%s", (int)dir, path, to);
}

/*
 * The port itself: /dev/serial0 is a link to it. Not by realpath(3): umockdev's, under which kf-sim
 * shows a UART, destroys the stack where a mocked tty is a link to a pty; so a
 * pty keeps the name of its link.
 */
static bool find_port(const char *path, char ret[PATH_MAX])
{
	enum { LINKS_MAX = 8 };
	char next[PATH_MAX];
	struct stat st;

	if (path[0] != '/' || stat(path, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    !kf_text_format(ret, PATH_MAX, "%s", path))
		return false;
	for (int i = 0; i < LINKS_MAX && follow(ret, next); i++) {
		if (strncmp(next, "/dev/pts/", 9) == 0)
			break;
		kf_text_format(ret, PATH_MAX, "%s", next);
	}
	return true;
}

static int look_uart(struct kf_board *board, struct kf_error *err)
{
	char path[PATH_MAX];

	if (find_port(board->link.path, path) && KF_CLEAN(board->tty, path))
		return 0;
	board->tty[0] = '\0';
	kf_fail(err, KF_NOT_CONNECTED, "there is no serial port %s", board->link.path);
	return kf_error_hint(
		err, "ls -l /dev/serial* /dev/tty* shows the ports; a Raspberry Pi's own UART "
		     "needs enable_uart=1 in its config.txt");
}

static int look_process(const struct kf_board *board, struct kf_error *err)
{
	if (kf_pty_of_process(board->link.path))
		return 0;
	kf_fail(err, KF_NOT_CONNECTED, "the host's own MCU does not run: %s leads to no pty of it",
		board->link.path);
	return kf_error_hint(err, "systemctl status klipper-mcu.service says why");
}

static int look(struct kf_board *board, struct kf_error *err)
{
	switch (board->link.type) {
	case KF_WIRE_CAN:
		return kf_can_state_check(board->link.interface, err);
	case KF_WIRE_PROCESS:
		return look_process(board, err);
	default:
		return look_uart(board, err);
	}
}

int kf_wire_look(struct kf_board *board, struct kf_error *err)
{
	struct kf_error why = { 0 };
	int r = look(board, &why);

	board->connected = r == 0;
	board->reason[0] = '\0';
	if (r < 0)
		kf_text_format(board->reason, sizeof(board->reason), "%s%s%s", why.message,
			       why.hint[0] ? ": " : "", why.hint);
	if (r < 0 && err)
		*err = why;
	return r;
}

bool kf_wire_board(const struct kf_device *device, struct kf_board *ret)
{
	struct kf_board board = { .excluded = !device->flashable };
	struct kf_board_link *link = &board.link;

	if (!device->canbus_uuid && !device->serial)
		return false;
	KF_COPY(board.key, device->key);
	KF_COPY(board.name, device->name ? device->name : device->key);
	KF_COPY(board.mcu, device->mcu ? device->mcu : "");
	link->type = device->canbus_uuid		  ? KF_WIRE_CAN
		     : kf_path_is_process(device->serial) ? KF_WIRE_PROCESS
							  : KF_WIRE_UART;
	if (device->canbus_uuid) {
		KF_COPY(link->interface, device->canbus_interface);
		IGNORE_RESULT(kf_uuid_read(device->canbus_uuid, link->uuid));
	} else {
		KF_COPY(link->path, device->serial);
	}
	if (link->type == KF_WIRE_UART) {
		link->baud = device->baud;
		link->katapult_baud = device->katapult_baud;
	}
	IGNORE_RESULT(kf_wire_look(&board, NULL));
	if (board.excluded)
		KF_COPY(board.reason, KF_REASON_NOT_FLASHABLE);
	*ret = board;
	return true;
}
