/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <limits.h>
#include <linux/major.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "board/identity.h"
#include "board/port.h"
#include "board/record.h"
#include "core/text.h"
#include "firmware/image.h"
#include "flash/by-hand.h"
#include "flash/target.h"
#include "printer/described.h"
#include "usb/by-wire.h"
#include "usb/devices.h"

enum { FIRST_UART = 64 }; /* of TTY_MAJOR: ttyS0 */

/* A board that shows on USB is flashed over USB, even if it also makes the CAN bus. */
static int by_node(const struct kf_boards *now, const struct kf_port *port, struct kf_board *ret,
		   struct kf_error *err)
{
	struct kf_board board = { .link = { .type = KF_WIRE_CAN } };
	char uuid[KF_CAN_UUID_SIZE];

	for (size_t i = 0; i < now->count; i++)
		if (kf_board_has_serial(&now->list[i]) &&
		    kf_can_uuid_from_serial(now->list[i].usb.serial, uuid) &&
		    strcmp(uuid, port->uuid) == 0) {
			*ret = now->list[i];
			return 0;
		}
	KF_COPY(board.link.interface, port->interface);
	KF_COPY(board.link.uuid, port->uuid);
	*ret = board;
	return kf_wire_look(ret, err);
}

/* Is it a serial port? /dev/null, /dev/tty, /dev/console and tty1 to tty63 are none. */
static bool is_serial(dev_t device)
{
	return major(device) != MEM_MAJOR && major(device) != TTYAUX_MAJOR &&
	       (major(device) != TTY_MAJOR || minor(device) >= FIRST_UART);
}

static int by_path(const struct kf_boards *now, const char *path, struct kf_board *ret,
		   struct kf_error *err)
{
	struct kf_board board = { .link = { .type = KF_WIRE_UART } };
	struct stat st;

	if (stat(path, &st) < 0 && errno == ENOENT && path[0] != '/') {
		kf_fail(err, KF_USAGE, "there is no port %s", path);
		return kf_error_hint(err,
				     "a serial port is written /dev/ttyACM0, a node on CAN "
				     "INTERFACE:UUID, with the 12 hexadecimal digits of its UUID: "
				     "can0:44db3d634885, a USB port usb:1-1.2");
	}
	if (stat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? kf_fail(err, KF_NOT_CONNECTED, "there is no port %s", path)
			       : kf_fail_sys(err, errno, "%s", path);
	for (size_t i = 0; i < now->count; i++)
		if (kf_board_has_port(&now->list[i], path)) {
			*ret = now->list[i];
			return 0;
		}
	KF_COPY(board.link.path, path);
	/* The port is not opened: a printer may be printing with it. */
	if (!S_ISCHR(st.st_mode) || !is_serial(st.st_rdev))
		return kf_fail(err, KF_NOT_CONNECTED, "%s is not a serial port", path);
	*ret = board;
	return kf_wire_look(ret, err);
}

/* A board in a ROM that is registered or described with this UUID; else an unknown one. */
static const struct kf_board *find_in_rom(const struct kf_boards *now,
					  const struct kf_registry *registry, const char *uuid)
{
	const struct kf_board *unknown = NULL;
	struct kf_device device;

	for (size_t i = 0; i < now->count; i++) {
		struct kf_board *board = &now->list[i];

		if (!kf_board_in_rom(board) || kf_registry_identify(registry, board, NULL) < 0)
			continue;
		if (!board->key[0])
			unknown = board;
		else if (kf_registry_device(registry, board->key, &device, NULL) == 0 &&
			 device.canbus_uuid && strcasecmp(device.canbus_uuid, uuid) == 0)
			return board;
	}
	return unknown;
}

/*
 * A bridge whose interface is missing may wait in its chip's own bootloader. Its USB port tells
 * which board it is, if that is registered or a printer names it.
 */
static int find_missing(const struct kf_boards *now, struct kf_registry *registry,
			const struct kf_port *port, int r, struct kf_board *ret,
			struct kf_error *err)
{
	_cleanup_(kf_printers_free) struct kf_printers printers = { 0 };
	const struct kf_board *board;

	if (kf_printers_find(&printers, NULL) < 0 ||
	    kf_printers_describe(&printers, now, registry, NULL) < 0)
		return r;
	board = find_in_rom(now, registry, port->uuid);
	if (board && board->key[0])
		*ret = *board;
	if (!board || board->key[0])
		return board ? 0 : r;
	kf_fail(err, KF_NOT_CONNECTED,
		"%s: a board that may be its bridge waits in its chip's bootloader (%s) on USB "
		"port %s",
		err->message, kf_mode_name(board->mode), board->usb.port);
	kf_error_hint(err,
		      "power-cycle it, and its firmware starts; or flash it where it waits: "
		      "--port=usb:%s",
		      board->usb.port);
	return r;
}

static int by_usb_port(const struct kf_boards *now, const char *port, struct kf_board *ret,
		       struct kf_error *err)
{
	for (size_t i = 0; i < now->count; i++)
		if (strcmp(now->list[i].usb.port, port) == 0) {
			*ret = now->list[i];
			return 0;
		}
	return kf_fail(err, KF_NOT_CONNECTED, "no board is on USB port %s", port);
}

static int find_board(const struct kf_boards *now, struct kf_registry *registry, const char *port,
		      struct kf_board *ret, struct kf_error *err)
{
	struct kf_port read = { 0 };
	int r = kf_port_read(port, &read, NULL);

	if (r == 0 && read.usb_port[0])
		return by_usb_port(now, read.usb_port, ret, err);
	if (!read.uuid[0])
		return by_path(now, port, ret, err);
	r = by_node(now, &read, ret, err);
	return r < 0 && err->code == KF_NOT_CONNECTED
		       ? find_missing(now, registry, &read, r, ret, err)
		       : r;
}

static json_t *describe(const struct kf_image *image, const char *path)
{
	return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:o}", "path", path, "format",
			 kf_format_name(image->format), "bytes", (json_int_t)image->len, "sha256",
			 image->sha256, "version", image->dictionary.version, "mcu",
			 image->dictionary.mcu, "start",
			 image->start_known ? json_integer(image->start) : json_null());
}

/* A USB-to-serial chip's UART has a rate, and an Arduino's; a chip's own USB and the ROMs have
 * none. */
static int check_baud(const struct kf_board *board, struct kf_error *err)
{
	char place[KF_DEV_SIZE];

	if (board->tty[0] && !kf_board_in_loader(board) &&
	    kf_identity_mode(&board->usb) == KF_MODE_OTHER)
		return 0;
	kf_board_place(board, place, sizeof(place));
	return kf_fail(err, KF_USAGE,
		       "--baud is the speed of a UART: the board at %s is on its own USB", place);
}

static int load(const char *path, bool bootloader, struct kf_image *ret, struct kf_error *err)
{
	int r = kf_image_load(path, ret, err);

	if (r == 0 || !bootloader || err->code != KF_BAD_IMAGE)
		return r;
	kf_error_prefix(err, "no Katapult that can be installed");
	kf_error_hint(err, "give the katapult.bin or katapult.uf2 of a Katapult build: make "
			   "menuconfig && make in the folder of Katapult");
	return r;
}

int kf_by_hand_record(const char *port, uint32_t baud, const char *firmware, bool bootloader,
		      json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	_cleanup_(kf_boards_free) struct kf_boards now = { 0 };
	struct kf_image image = { 0 };
	struct kf_board board;
	char path[PATH_MAX];
	json_t *record;
	int r;

	r = kf_target_scan(&now, err);
	if (r == 0)
		r = kf_registry_load(&registry, err);
	if (r == 0)
		r = find_board(&now, &registry, port, &board, err);
	if (r == 0)
		r = kf_registry_identify(&registry, &board, err);
	if (r == 0 && baud)
		r = check_baud(&board, err);
	if (r < 0)
		return r;
	if (baud)
		board.link.baud = board.link.katapult_baud = baud;
	if (!realpath(firmware, path))
		return kf_fail_sys(err, errno, "%s", firmware);
	r = load(path, bootloader, &image, err);
	if (r < 0)
		return r;
	record = kf_record_new(&board);
	json_object_set_new(record, "firmware", describe(&image, path));
	kf_image_free(&image);
	*ret = record;
	return 0;
}
