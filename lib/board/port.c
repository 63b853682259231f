/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

#include "board/port.h"
#include "core/text.h"

bool kf_uuid_read(const char *text, char ret[KF_CAN_UUID_SIZE])
{
	uint8_t uuid[KF_CAN_UUID_BYTES];

	if (!kf_can_uuid_parse(text, uuid))
		return false;
	kf_can_uuid_format(uuid, ret);
	return true;
}

bool kf_interface_valid(const char *name)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_.-";
	size_t len = strlen(name);

	return len > 0 && len < sizeof(((struct kf_port *)0)->interface) && name[0] != '.' &&
	       name[0] != '-' && !name[strspn(name, chars)];
}

bool kf_usb_port_valid(const char *text)
{
	bool digit = false, dash = false;

	for (; *text; text++) {
		if (isdigit((unsigned char)*text)) {
			digit = true;
		} else if (digit && *text == (dash ? '.' : '-')) {
			dash = true;
			digit = false;
		} else {
			return false;
		}
	}
	return dash && digit;
}

static bool read_node(const char *text, struct kf_port *ret)
{
	const char *colon = strrchr(text, ':');

	return colon && (size_t)(colon - text) < sizeof(ret->interface) &&
	       kf_text_format(ret->interface, sizeof(ret->interface), "%.*s", (int)(colon - text),
			      text) &&
	       kf_interface_valid(ret->interface) && kf_uuid_read(colon + 1, ret->uuid);
}

int kf_port_read(const char *text, struct kf_port *ret, struct kf_error *err)
{
	struct kf_port port = { 0 };
	char clean[KF_NAME_SIZE];
	const char *usb;

	if (text[0] == '/' && KF_CLEAN(port.path, text)) {
		*ret = port;
		return 0;
	}
	usb = strncmp(text, "usb:", 4) == 0 ? text + 4 : text;
	if (kf_usb_port_valid(usb) && KF_COPY(port.usb_port, usb)) {
		*ret = port;
		return 0;
	}
	if (read_node(text, &port)) {
		*ret = port;
		return 0;
	}
	KF_CLEAN(clean, text);
	kf_fail(err, KF_USAGE, "\"%s\" is no port", clean);
	return kf_error_hint(err,
			     "a USB port is 1-1.2, a serial port /dev/ttyAMA0, a node on CAN "
			     "can0:44db3d634885 (interface and UUID, of 12 hexadecimal digits)");
}

void kf_port_write(const struct kf_board *board, char ret[KF_DEV_SIZE])
{
	const struct kf_board_link *link = &board->link;

	if (board->usb.port[0])
		kf_text_format(ret, KF_DEV_SIZE, "%s", board->usb.port);
	else if (link->type == KF_WIRE_CAN)
		kf_text_format(ret, KF_DEV_SIZE, "%s:%s", link->interface, link->uuid);
	else
		kf_text_format(ret, KF_DEV_SIZE, "%s", link->path[0] ? link->path : board->tty);
}

void kf_board_place(const struct kf_board *board, char *ret, size_t size)
{
	const struct kf_board_link *link = &board->link;
	const char *path = board->by_id[0]     ? board->by_id
			   : board->by_path[0] ? board->by_path
			   : board->tty[0]     ? board->tty
					       : link->path;

	ret[0] = '\0';
	if (link->type == KF_WIRE_CAN && board->usb.port[0])
		kf_text_format(ret, size, "USB port %s, bridge of %s", board->usb.port,
			       link->interface[0] ? link->interface : "a CAN bus");
	else if (link->type == KF_WIRE_CAN)
		kf_text_format(ret, size, "%s %s", link->interface, link->uuid);
	else if (path[0])
		kf_text_format(ret, size, "%s", path);
	else if (board->usb.port[0])
		kf_text_format(ret, size, "USB port %s", board->usb.port);
}

bool kf_path_is_process(const char *path)
{
	static const char start[] = "/tmp/klipper_host_";

	return strncmp(path, start, strlen(start)) == 0 && !strchr(path + strlen(start), '/');
}

bool kf_board_is_wired(const struct kf_board *board)
{
	return kf_board_is_node(board) || board->link.type == KF_WIRE_UART ||
	       board->link.type == KF_WIRE_PROCESS;
}

bool kf_board_is_node(const struct kf_board *board)
{
	return board->link.type == KF_WIRE_CAN && !board->usb.port[0];
}

bool kf_board_is_bridge(const struct kf_board *board)
{
	return board->link.type == KF_WIRE_CAN && board->usb.port[0];
}

bool kf_board_has_port(const struct kf_board *board, const char *path)
{
	struct stat theirs, ours;

	if (!path || !path[0])
		return false;
	if (board->link.type == KF_WIRE_PROCESS)
		return strcmp(path, board->link.path) == 0;
	if (!board->tty[0])
		return false;
	if (strcmp(path, board->by_id) == 0 || strcmp(path, board->by_path) == 0 ||
	    strcmp(path, board->tty) == 0)
		return true;
	return stat(path, &theirs) == 0 && stat(board->tty, &ours) == 0 &&
	       S_ISCHR(theirs.st_mode) && theirs.st_rdev == ours.st_rdev;
}
