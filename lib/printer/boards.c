/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A serial number counts only where no board has the very port: two boards may show one number. */
#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include "board/identity.h"
#include "board/port.h"
#include "core/text.h"
#include "printer/boards.h"
#include "usb/holder.h"

/* A port of a USB device, by its name: there or not. */
static bool is_usb_port(const char *serial)
{
	static const char *const names[] = { "/dev/serial/by-id/*", "/dev/serial/by-path/*usb*",
					     "/dev/ttyACM*", "/dev/ttyUSB*" };

	for (size_t i = 0; i < KF_ARRAY_SIZE(names); i++)
		if (fnmatch(names[i], serial, 0) == 0)
			return true;
	return false;
}

enum kf_wire kf_mcu_wire(const struct kf_mcu *mcu)
{
	if (mcu->canbus_uuid[0])
		return KF_WIRE_CAN;
	if (!mcu->serial[0])
		return KF_WIRE_NONE;
	if (!mcu->baud)
		return KF_WIRE_PROCESS;
	return is_usb_port(mcu->serial) ? KF_WIRE_USB_SERIAL : KF_WIRE_UART;
}

bool kf_mcu_has_serial(const struct kf_mcu *mcu, const struct kf_board *board)
{
	struct kf_identity identity;

	if (!is_usb_port(mcu->serial) || !kf_board_has_serial(board))
		return false;
	IGNORE_RESULT(kf_identity_parse(mcu->serial, &identity));
	return identity.serial[0] && strcasecmp(identity.serial, board->usb.serial) == 0;
}

static void set_printer(struct kf_board *board, const struct kf_printer *printer,
			const struct kf_mcu *mcu)
{
	KF_CLEAN(board->printer.unit, printer->unit);
	KF_CLEAN(board->printer.name, printer->name);
	KF_CLEAN(board->printer.mcu, mcu->name);
	if (!board->mcu[0])
		kf_mcu_chip(mcu, board->mcu);
}

/* Does Klippy's answer hold now? It does if Klippy works, or still has the board's port. */
static bool is_current(const struct kf_printer *printer, const struct kf_board *board)
{
	return strcmp(printer->state, "ready") == 0 ||
	       (printer->pid && board->holder.pid == printer->pid);
}

bool kf_mcu_is_node(const struct kf_mcu *mcu, const struct kf_board *board)
{
	char uuid[KF_CAN_UUID_SIZE];

	if (!mcu->canbus_uuid[0])
		return false;
	if (board->link.uuid[0])
		return strcmp(mcu->canbus_uuid, board->link.uuid) == 0;
	return kf_board_has_serial(board) && kf_can_uuid_from_serial(board->usb.serial, uuid) &&
	       strcmp(mcu->canbus_uuid, uuid) == 0;
}

/* Is this MCU the board, behind a UART of this machine or as the host's own MCU? */
static bool is_at_path(const struct kf_mcu *mcu, const struct kf_board *board)
{
	return kf_board_is_wired(board) && board->link.path[0] && mcu->serial[0] &&
	       strcmp(mcu->serial, board->link.path) == 0;
}

/* No port is opened here, so only Klippy can tell whether a board is on these wires. */
static void explain(const struct kf_printer *printer, struct kf_board *board)
{
	char *dst = board->reason;
	size_t size = sizeof(board->reason);

	if (strcmp(printer->state, "stopped") == 0)
		kf_text_format(dst, size, "not asked: Klipper (%.100s) does not run",
			       printer->unit[0] ? printer->unit : printer->name);
	else if (strcmp(printer->state, "unknown") == 0)
		kf_text_format(dst, size, "not asked: Klippy (process %d) does not answer",
			       (int)printer->pid);
	else
		kf_text_format(dst, size, "Klippy has no connection to it%s%.200s",
			       printer->message[0] ? ": " : "", printer->message);
}

/*
 * A node, or what is behind a UART. A Klippy that works has a connection to all its boards that are
 * there; of others nobody knows.
 */
static void set_wired(struct kf_board *board, const struct kf_printer *printer,
		      const struct kf_mcu *mcu)
{
	bool ready = strcmp(printer->state, "ready") == 0;

	set_printer(board, printer, mcu);
	if (printer->pid && !board->holder.pid)
		board->holder = kf_holder_of(printer->pid);
	if (mcu->version[0] && is_current(printer, board)) {
		board->connected = true;
		board->mode = KF_MODE_KLIPPER;
		KF_CLEAN(board->version, mcu->version);
		if (!board->excluded)
			board->reason[0] = '\0';
	} else if (!board->usb.port[0] && !board->excluded) {
		board->connected = board->connected && !ready;
		if (!board->reason[0])
			explain(printer, board);
	}
}

static void name_by_wire(const struct kf_printers *printers, struct kf_board *board)
{
	if (!kf_board_is_wired(board) && !kf_board_is_bridge(board))
		return;
	for (size_t i = 0; i < printers->count; i++) {
		const struct kf_printer *printer = &printers->list[i];

		for (size_t k = 0; k < printer->mcus.count; k++)
			if (!board->printer.mcu[0] &&
			    (kf_mcu_is_node(&printer->mcus.list[k], board) ||
			     is_at_path(&printer->mcus.list[k], board)))
				set_wired(board, printer, &printer->mcus.list[k]);
	}
}

static void set_port(struct kf_board *board, const struct kf_printer *printer,
		     const struct kf_mcu *mcu)
{
	set_printer(board, printer, mcu);
	board->link.baud = board->mode == KF_MODE_OTHER ? mcu->baud : 0;
	if (board->mode != KF_MODE_KATAPULT && is_current(printer, board))
		KF_CLEAN(board->version, mcu->version);
}

/* The printer whose Klippy has the port counts more than the first. */
static void name_by_port(const struct kf_printers *printers, struct kf_board *board)
{
	for (size_t i = 0; i < printers->count; i++) {
		const struct kf_printer *printer = &printers->list[i];
		bool holds = printer->pid && printer->pid == board->holder.pid;

		for (size_t k = 0; k < printer->mcus.count; k++)
			if ((holds || !board->printer.mcu[0]) &&
			    kf_mcu_has_port(&printer->mcus.list[k], board))
				set_port(board, printer, &printer->mcus.list[k]);
	}
}

void kf_printers_name(const struct kf_printers *printers, struct kf_board *board)
{
	name_by_wire(printers, board);
	name_by_port(printers, board);
	for (size_t i = 0; i < printers->count; i++)
		for (size_t k = 0; k < printers->list[i].mcus.count; k++)
			if (!board->printer.mcu[0] &&
			    (kf_mcu_has_serial(&printers->list[i].mcus.list[k], board) ||
			     kf_mcu_is_node(&printers->list[i].mcus.list[k], board)))
				set_printer(board, &printers->list[i],
					    &printers->list[i].mcus.list[k]);
}

static bool is_device(const struct kf_device *device, const struct kf_mcu *mcu)
{
	if (device->canbus_uuid && strcasecmp(device->canbus_uuid, mcu->canbus_uuid) == 0)
		return true;
	return device->pattern && mcu->serial[0] && kf_pattern_match(device->pattern, mcu->serial);
}

/*
 * The board that is this MCU already: connected and named, or registered and not there, or in its
 * chip's bootloader, where only its USB port tells which registered board it is.
 */
static struct kf_board *find_board(struct kf_inventory *inventory, const struct kf_printer *printer,
				   const struct kf_mcu *mcu)
{
	struct kf_device device;

	for (size_t i = 0; i < inventory->boards.count; i++) {
		struct kf_board *board = &inventory->boards.list[i];

		if (strcmp(board->printer.mcu, mcu->name) == 0 &&
		    strcmp(board->printer.name, printer->name) == 0)
			return board;
		if ((board->connected && !kf_board_in_rom(board)) || !board->key[0] ||
		    board->printer.mcu[0])
			continue;
		if (kf_registry_device(inventory->registry, board->key, &device, NULL) == 0 &&
		    is_device(&device, mcu))
			return board;
	}
	return NULL;
}

/* The one board that shows the MCU's serial number and is no other MCU; NULL: none, or several. */
static struct kf_board *find_serial(struct kf_inventory *inventory, const struct kf_mcu *mcu)
{
	struct kf_board *ret = NULL;

	for (size_t i = 0; i < inventory->boards.count; i++) {
		struct kf_board *board = &inventory->boards.list[i];

		if (!board->connected || board->printer.mcu[0] ||
		    !(kf_mcu_has_serial(mcu, board) || kf_mcu_is_node(mcu, board)))
			continue;
		if (ret)
			return NULL;
		ret = board;
	}
	return ret;
}

/* Is a board there that may be this MCU? Another printer names it, or several boards fit. */
static bool is_taken(const struct kf_inventory *inventory, const struct kf_mcu *mcu)
{
	for (size_t i = 0; i < inventory->boards.count; i++)
		if (kf_mcu_has_port(mcu, &inventory->boards.list[i]) ||
		    kf_mcu_has_serial(mcu, &inventory->boards.list[i]))
			return true;
	return false;
}

static int add_board(struct kf_inventory *inventory, const struct kf_printer *printer,
		     const struct kf_mcu *mcu, enum kf_wire wire)
{
	struct kf_board board = { .connected = mcu->version[0] && wire != KF_WIRE_USB_SERIAL,
				  .link = { .type = wire, .baud = mcu->baud } };

	set_printer(&board, printer, mcu);
	KF_CLEAN(board.link.path, mcu->serial);
	if (wire == KF_WIRE_CAN) {
		KF_CLEAN(board.link.uuid, mcu->canbus_uuid);
		KF_CLEAN(board.link.interface, mcu->canbus_interface);
	}
	if (board.connected) {
		board.mode = KF_MODE_KLIPPER;
		KF_CLEAN(board.version, mcu->version);
	}
	if (wire == KF_WIRE_USB_SERIAL)
		board.link.baud = 0;
	else if (!board.version[0])
		explain(printer, &board);
	return kf_inventory_add(inventory, &board);
}

static int join_mcu(struct kf_inventory *inventory, const struct kf_printer *printer,
		    const struct kf_mcu *mcu)
{
	enum kf_wire wire = kf_mcu_wire(mcu);
	struct kf_board *board = find_board(inventory, printer, mcu);

	if (!board)
		board = find_serial(inventory, mcu);
	if (board) {
		set_printer(board, printer, mcu);
		return 0;
	}
	if (wire == KF_WIRE_NONE || inventory->key || is_taken(inventory, mcu) ||
	    (wire == KF_WIRE_USB_SERIAL && !inventory->absent))
		return 0;
	return add_board(inventory, printer, mcu, wire);
}

/* Two sections of one UUID: one is wrong, and would get the other's firmware. */
static void mark_twins(struct kf_inventory *inventory, const struct kf_printer *printer,
		       const struct kf_mcu *a, const struct kf_mcu *b)
{
	for (size_t i = 0; i < inventory->boards.count; i++) {
		struct kf_error *error = &inventory->errors[i];

		if (!kf_mcu_is_node(a, &inventory->boards.list[i]) || error->code != KF_OK)
			continue;
		kf_fail(error, KF_AMBIGUOUS,
			"two boards of %s's configuration, %s and %s, have the canbus_uuid %s",
			printer->name, a->name, b->name, a->canbus_uuid);
		kf_error_hint(error, "correct one of them in printer.cfg: kf-scan --can shows the "
				     "UUIDs on the bus");
	}
}

static void find_twins(struct kf_inventory *inventory, const struct kf_printer *printer)
{
	const struct kf_mcu *list = printer->mcus.list;

	for (size_t i = 0; i < printer->mcus.count; i++)
		for (size_t k = i + 1; list[i].canbus_uuid[0] && k < printer->mcus.count; k++)
			if (strcmp(list[i].canbus_uuid, list[k].canbus_uuid) == 0)
				mark_twins(inventory, printer, &list[i], &list[k]);
}

int kf_printers_join(const struct kf_printers *printers, struct kf_inventory *inventory,
		     struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; i < inventory->boards.count; i++) {
		name_by_wire(printers, &inventory->boards.list[i]);
		name_by_port(printers, &inventory->boards.list[i]);
	}
	for (size_t i = 0; i < printers->count; i++)
		for (size_t k = 0; r == 0 && k < printers->list[i].mcus.count; k++)
			r = join_mcu(inventory, &printers->list[i],
				     &printers->list[i].mcus.list[k]);
	for (size_t i = 0; i < printers->count; i++)
		find_twins(inventory, &printers->list[i]);
	return r < 0 ? kf_fail_sys(err, -r, "cannot list the boards") : 0;
}
