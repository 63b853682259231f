/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Find the registered device that a board is. The serial number of its chip decides; then the
 * pattern as a whole; then the USB port, only where the board has no name of its own (a shared
 * serial, DFU, BOOTSEL) or the owner's pattern names no serial. Two devices that fit equally well
 * are an error.
 */
#include <string.h>
#include <strings.h>

#include "board/identity.h"
#include "board/last-flash.h"
#include "board/port.h"
#include "core/text.h"
#include "firmware/chip.h"
#include "registry/registry.h"

/* The match of a device, from worst to best. */
enum fit {
	FIT_NOT,
	FIT_ELSEWHERE, /* its name, but the port is another */
	FIT_PLACE,     /* its port, and all that is known of the device is the port */
	FIT_NAME,
	FIT_PORT,	 /* its port, where board or pattern have no serial of their own */
	FIT_SERIAL,	 /* its serial, its UUID on CAN, or its UART */
	FIT_SERIAL_HERE, /* its serial, on its port: two boards may show one serial */
};

bool kf_registry_mcu_fits(const char *mcu, const struct kf_board *board)
{
	const char *family = kf_identity_family(&board->usb);
	char shown[64] = "";

	if (strncasecmp(mcu, family, strlen(family)) != 0 ||
	    (strcmp(board->usb.vendor, "0483") == 0 && kf_board_in_rom(board) && !kf_chip_dfu(mcu)))
		return false;
	kf_identity_mcu(&board->usb, shown);
	return !shown[0] || kf_mcu_same(mcu, shown);
}

/* Can the board be the device at all? Another one may be on the device's port now. */
static bool mcu_plausible(const struct kf_device *device, const struct kf_board *board)
{
	return !device->mcu || kf_registry_mcu_fits(device->mcu, board);
}

static bool on_port(const struct kf_device *device, const struct kf_board *board)
{
	return device->usb_port && strcmp(device->usb_port, board->usb.port) == 0 &&
	       mcu_plausible(device, board);
}

/* A bootloader that does not name its board: it is the board that was on this port last. */
static bool last_seen(const struct kf_device *device, const struct kf_board *board)
{
	struct kf_last_flash last;

	kf_last_flash_load(device->key, &last);
	if (!last.port[0])
		return on_port(device, board);
	return strcmp(last.port, board->usb.port) == 0 && mcu_plausible(device, board);
}

/*
 * Is it the bootloader of a SAMD in which a flash was cut? This bootloader shows the names of the
 * board's maker: only the last flash tells that it is a bootloader.
 */
static bool cut_in_loader(const struct kf_device *device, const struct kf_board *board)
{
	struct kf_last_flash last;

	if (board->mode != KF_MODE_OTHER || strncmp(board->tty, "/dev/ttyACM", 11) != 0)
		return false;
	kf_last_flash_load(device->key, &last);
	return strcmp(last.incomplete, "samd") == 0 && strcmp(last.port, board->usb.port) == 0;
}

/* Can the pattern contain the serial? A quick test: most patterns belong to other boards. */
static bool may_hold(const char *pattern, const char *serial)
{
	return strchr(pattern, '\\') || strcasestr(pattern, serial);
}

/*
 * Does USB name another MCU than the pattern? Firmware may name the wrong one: then the owner has
 * registered the right one, which the bootloader names.
 */
static bool other_mcu(const struct kf_device *device, const char *pattern_mcu,
		      const struct kf_board *board)
{
	char mcu[64];

	kf_identity_mcu(&board->usb, mcu);
	return pattern_mcu[0] && mcu[0] && !kf_mcu_same(pattern_mcu, mcu) &&
	       !(device->mcu && kf_mcu_same(device->mcu, mcu));
}

static bool same_serial(const struct kf_device *device, const struct kf_board *board)
{
	struct kf_identity wanted = { .mode = KF_MODE_OTHER };
	const char *serial = board->usb.serial;

	if (!may_hold(device->pattern, serial))
		return false;
	kf_identity_parse(device->pattern, &wanted);
	return kf_serial_unique(wanted.serial) && strcasecmp(wanted.serial, serial) == 0 &&
	       !other_mcu(device, wanted.mcu, board);
}

/* A node on CAN, or the same chip by its USB serial number. */
static bool same_node(const struct kf_device *device, const struct kf_board *board)
{
	char uuid[KF_CAN_UUID_SIZE];

	if (!device->canbus_uuid)
		return false;
	if (board->link.uuid[0])
		return strcasecmp(device->canbus_uuid, board->link.uuid) == 0;
	return kf_serial_unique(board->usb.serial) &&
	       kf_can_uuid_from_serial(board->usb.serial, uuid) &&
	       strcasecmp(device->canbus_uuid, uuid) == 0;
}

static bool same_uart(const struct kf_device *device, const struct kf_board *board)
{
	return device->serial && (kf_board_has_port(board, device->serial) ||
				  (board->link.type == KF_WIRE_UART &&
				   strcmp(device->serial, board->link.path) == 0));
}

static enum fit fit_of(const struct kf_device *device, const struct kf_board *board,
		       const char *by_id)
{
	bool unique = kf_serial_unique(board->usb.serial);

	if (kf_board_in_loader(board))
		return last_seen(device, board) ? FIT_PORT : FIT_NOT;
	if (cut_in_loader(device, board))
		return FIT_PORT;
	if (same_node(device, board) || same_uart(device, board))
		return FIT_SERIAL;
	if (!device->pattern)
		return on_port(device, board) ? FIT_PLACE : FIT_NOT;
	if (unique && same_serial(device, board))
		return on_port(device, board) ? FIT_SERIAL_HERE : FIT_SERIAL;
	if (!by_id[0] || !kf_pattern_match(device->pattern, by_id))
		return FIT_NOT;
	if (!device->usb_port || (unique && kf_pattern_has_serial(device->pattern)))
		return FIT_NAME;
	return on_port(device, board) ? FIT_PORT : FIT_ELSEWHERE;
}

/* Is its name in blocked_devices? Registered boards may be, too. */
static bool blocked(const struct kf_registry *registry, const char *by_id, struct kf_board *board)
{
	const json_t *entry, *list = json_object_get(registry->root, "blocked_devices");
	const char *reason;
	size_t i;

	json_array_foreach(list, i, entry) {
		if (!kf_pattern_match(json_string_value(json_object_get(entry, "pattern")), by_id))
			continue;
		reason = json_string_value(json_object_get(entry, "reason"));
		board->excluded = true;
		KF_COPY(board->reason, reason ? reason : "blocked in devices.json");
		return true;
	}
	return false;
}

/* Make the board this device. shared: another device has the serial that the board shows. */
static void set_device(struct kf_board *board, const struct kf_device *device, enum fit fit,
		       bool shared)
{
	board->by_port = fit == FIT_PORT || fit == FIT_PLACE || (fit == FIT_SERIAL_HERE && shared);
	KF_COPY(board->key, device->key);
	KF_COPY(board->name, device->name ? device->name : device->key);
	if (device->mcu)
		KF_COPY(board->mcu, device->mcu);
	if (board->link.type == KF_WIRE_CAN && !board->link.uuid[0] && device->canbus_uuid)
		IGNORE_RESULT(kf_uuid_read(device->canbus_uuid, board->link.uuid));
	if (board->link.type == KF_WIRE_UART || (board->tty[0] && board->mode == KF_MODE_OTHER)) {
		board->link.baud = device->baud;
		board->link.katapult_baud = device->katapult_baud;
	}
	if (board->excluded)
		return;
	if (!device->flashable) {
		board->excluded = true;
		KF_COPY(board->reason, KF_REASON_NOT_FLASHABLE);
	} else if (kf_board_in_loader(board)) {
		kf_text_format(board->reason, sizeof(board->reason),
			       "known by USB port %s: its bootloader does not say which chip it is",
			       board->usb.port);
	} else if (fit == FIT_PLACE && device->described) {
		kf_text_format(board->reason, sizeof(board->reason),
			       "known by USB port %s: it has no serial number of its own",
			       board->usb.port);
	} else if (fit == FIT_PLACE) {
		kf_text_format(board->reason, sizeof(board->reason),
			       "known by USB port %s only: no pattern is registered",
			       board->usb.port);
	} else if (board->by_port) {
		kf_text_format(board->reason, sizeof(board->reason), "known by USB port %s: %s",
			       board->usb.port,
			       !kf_serial_unique(board->usb.serial)
				       ? "it has no serial number of its own"
			       : fit == FIT_PORT ? "its pattern names no serial number"
						 : "another board has its serial number");
	} else if (!kf_serial_unique(board->usb.serial) && !board->link.uuid[0] &&
		   !same_uart(device, board)) {
		kf_text_format(board->reason, sizeof(board->reason),
			       "known by name only: it has no serial number of its own");
	}
}

int kf_registry_identify(const struct kf_registry *registry, struct kf_board *board,
			 struct kf_error *err)
{
	enum fit best = FIT_NOT, fit;
	struct kf_device device, found = { 0 }, other = { 0 };
	char by_id[KF_DEV_SIZE] = "";
	unsigned same_serial = 0;
	void *at = NULL;

	kf_board_by_id(board, by_id);
	blocked(registry, by_id, board);
	board->by_port = false;
	while (kf_registry_next(registry, &at, &device)) {
		fit = fit_of(&device, board, by_id);
		same_serial += fit >= FIT_SERIAL;
		if (fit == FIT_NOT || fit < best)
			continue;
		other = fit == best ? found : (struct kf_device){ 0 };
		found = device;
		best = fit;
	}
	if (best == FIT_NOT)
		return 0;
	if (best == FIT_ELSEWHERE) {
		if (!board->excluded)
			kf_text_format(board->reason, sizeof(board->reason),
				       "looks like %s, but that one belongs on USB port %s",
				       found.key, found.usb_port);
		return 0;
	}
	if (other.key) {
		kf_fail(err, KF_AMBIGUOUS, "the board fits both %s and %s", other.key, found.key);
		if (best == FIT_SERIAL)
			kf_error_hint(err,
				      "both have this serial number, so the USB port must identify "
				      "them: if it is %s: kf set %s usb_port=%s",
				      found.key, found.key, board->usb.port);
		if (kf_board_in_loader(board))
			kf_error_hint(err,
				      "in that mode only its USB port identifies it: reset it, so "
				      "that its firmware starts; if %s is on another USB port than "
				      "%s now: kf set %s usb_port=PORT",
				      other.key, board->usb.port, other.key);
		return kf_code_errno(KF_AMBIGUOUS);
	}
	set_device(board, &found, best, same_serial > 1);
	return 0;
}
