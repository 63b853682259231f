/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * If several printers name a board, the order of their units decides, not which of them runs: a key
 * has to be the same while the printer's service is stopped for the flash.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "board/identity.h"
#include "board/port.h"
#include "board/record.h"
#include "core/text.h"
#include "printer/boards.h"
#include "printer/described.h"
#include "registry/method.h"

/* The board that is plugged in and is this MCU: by the port, else by the chip. */
static const struct kf_board *find(const struct kf_mcu *mcu, const struct kf_boards *now)
{
	for (size_t i = 0; i < now->count; i++)
		if (kf_mcu_is_node(mcu, &now->list[i]))
			return &now->list[i];
	for (size_t i = 0; i < now->count; i++)
		if (kf_mcu_has_port(mcu, &now->list[i]))
			return &now->list[i];
	for (size_t i = 0; i < now->count; i++)
		if (kf_mcu_has_serial(mcu, &now->list[i]))
			return &now->list[i];
	return NULL;
}

/* Does another board on USB show the name, or the serial number, by which this one is known? */
static bool is_twin(const struct kf_mcu *mcu, const struct kf_boards *now,
		    const struct kf_board *board)
{
	for (size_t i = 0; i < now->count; i++) {
		const struct kf_board *other = &now->list[i];

		if (strcmp(other->usb.port, board->usb.port) == 0)
			continue;
		if (kf_mcu_has_port(mcu, other) ||
		    (kf_board_has_serial(board) && kf_board_has_serial(other) &&
		     strcasecmp(board->usb.serial, other->usb.serial) == 0))
			return true;
	}
	return false;
}

/* Make a board that is not plugged in from what its by-id name tells. */
static bool imagine(const struct kf_mcu *mcu, struct kf_board *ret)
{
	struct kf_identity identity;

	if (strncmp(mcu->serial, "/dev/serial/by-id/", strlen("/dev/serial/by-id/")) != 0 ||
	    !kf_identity_parse(mcu->serial, &identity) || !kf_serial_unique(identity.serial))
		return false;
	*ret = (struct kf_board){ .mode = identity.mode };
	KF_COPY(ret->by_id, mcu->serial);
	KF_COPY(ret->mcu, identity.mcu);
	KF_COPY(ret->usb.serial, identity.serial);
	return true;
}

/* Make a board that no USB device shows: on CAN, behind a UART, or the host's own MCU. */
static bool imagine_wired(const struct kf_mcu *mcu, struct kf_board *ret)
{
	struct kf_board board = { .mode = KF_MODE_KLIPPER, .link.type = kf_mcu_wire(mcu) };

	if (!kf_board_is_wired(&board) ||
	    (board.link.type == KF_WIRE_PROCESS && !kf_path_is_process(mcu->serial)))
		return false;
	KF_COPY(board.link.uuid, mcu->canbus_uuid);
	KF_COPY(board.link.path, mcu->serial);
	if (board.link.type == KF_WIRE_PROCESS)
		kf_text_format(board.mcu, sizeof(board.mcu), "linux");
	*ret = board;
	return true;
}

static bool is_ours(const struct kf_mcu *mcu, const struct kf_board *board)
{
	struct kf_board told = *board;

	KF_COPY(told.version, mcu->version);
	return !kf_board_foreign(&told) &&
	       (board->mode != KF_MODE_OTHER || kf_identity_converter(&board->usb));
}

/* Has the folder this file, and do both belong to this user or to root? */
static bool is_tree(const char *dir, const char *member)
{
	const char *const members[] = { "Makefile", "src/Kconfig", member };
	char path[PATH_MAX];
	struct stat st;

	if (dir[0] != '/' || stat(dir, &st) < 0 || !S_ISDIR(st.st_mode) ||
	    (st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & S_IWOTH))
		return false;
	for (size_t i = 0; i < KF_ARRAY_SIZE(members); i++)
		if (!kf_text_format(path, sizeof(path), "%s/%s", dir, members[i]) ||
		    stat(path, &st) < 0 || (st.st_uid != 0 && st.st_uid != geteuid()))
			return false;
	return true;
}

bool kf_printer_tree_usable(const struct kf_printer *printer)
{
	return is_tree(printer->tree, "Makefile");
}

/* Katapult is usually cloned beside Klipper. We run its flashtool.py, so its owner is checked. */
static void set_katapult(struct kf_registry *registry, const char *tree)
{
	const char *end = strrchr(tree, '/');
	char dir[PATH_MAX];

	if (!registry->katapult[0] && end &&
	    kf_text_format(dir, sizeof(dir), "%.*s/katapult", (int)(end - tree), tree) &&
	    is_tree(dir, "scripts/flashtool.py"))
		KF_COPY(registry->katapult, dir);
}

/* If two printers name one board, its firmware was built from the tree of the one that runs. */
static void set_tree(struct kf_registry *registry, const char *key,
		     const struct kf_printer *printer)
{
	if (!kf_printer_tree_usable(printer) ||
	    (json_object_get(registry->trees, key) && !printer->pid))
		return;
	json_object_set_new(registry->trees, key, json_string(printer->tree));
	set_katapult(registry, printer->tree);
}

/* A free key; false: the names are all taken. */
static bool choose_key(const struct kf_registry *registry, bool several,
		       const struct kf_printer *printer, const struct kf_mcu *mcu,
		       char ret[KF_KEY_SIZE])
{
	struct kf_board named = { 0 };

	KF_COPY(named.printer.name, printer->name);
	KF_COPY(named.printer.mcu, mcu->name);
	for (int with = several; with < 2; with++)
		if (kf_key_from_printer(&named, with, ret) && !kf_registry_has(registry, ret) &&
		    !json_object_get(registry->described, ret))
			return true;
	return false;
}

static json_t *make_device(const struct kf_mcu *mcu, const struct kf_board *board)
{
	char chip[64], by_id[KF_DEV_SIZE] = "", pattern[KF_DEV_SIZE];
	json_t *device = json_pack("{s:s}", "name", mcu->name);

	kf_mcu_chip(mcu, chip);
	if (!chip[0])
		KF_COPY(chip, board->mcu);
	if (chip[0])
		json_object_set_new(device, "mcu", json_string(chip));
	if (kf_method_proposed(chip)[0])
		json_object_set_new(device, "flash_method", json_string(kf_method_proposed(chip)));
	if (mcu->canbus_uuid[0]) {
		json_object_set_new(device, "canbus_uuid", json_string(mcu->canbus_uuid));
		json_object_set_new(device, "canbus_interface", json_string(mcu->canbus_interface));
		return device;
	}
	if (board->link.type == KF_WIRE_UART || board->mode == KF_MODE_OTHER)
		json_object_set_new(device, "baud", json_integer(mcu->baud));
	if (board->link.type == KF_WIRE_UART || board->link.type == KF_WIRE_PROCESS) {
		json_object_set_new(device, "serial", json_string(mcu->serial));
		return device;
	}
	kf_board_by_id(board, by_id);
	if (kf_serial_unique(board->usb.serial) && kf_pattern_from_by_id(by_id, pattern))
		json_object_set_new(device, "serial_pattern", json_string(pattern));
	else
		json_object_set_new(device, "usb_port", json_string(board->usb.port));
	return device;
}

static int describe_mcu(const struct kf_printers *printers, const struct kf_printer *printer,
			const struct kf_mcu *mcu, const struct kf_boards *now,
			struct kf_registry *registry)
{
	const struct kf_board *found;
	struct kf_board board;
	char key[KF_KEY_SIZE];

	found = find(mcu, now);
	if (found)
		board = *found;
	else if (!imagine(mcu, &board) && !imagine_wired(mcu, &board))
		return 0;
	if ((found && is_twin(mcu, now, found)) || kf_registry_identify(registry, &board, NULL) < 0)
		return 0;
	if (board.key[0])
		set_tree(registry, board.key, printer);
	/* A reason: it is excluded, or the second port of a board, or on another's USB port. */
	if (board.key[0] || board.excluded || board.reason[0] || !is_ours(mcu, &board) ||
	    !choose_key(registry, printers->count > 1, printer, mcu, key))
		return 0;
	if (json_object_set_new(registry->described, key, make_device(mcu, &board)) < 0)
		return -ENOMEM;
	set_tree(registry, key, printer);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct kf_printer *const *x = a, *const *y = b;
	int r = strverscmp((*x)->unit, (*y)->unit);

	return r ? r : strcmp((*x)->name, (*y)->name);
}

int kf_printers_describe(const struct kf_printers *printers, const struct kf_boards *now,
			 struct kf_registry *registry, struct kf_error *err)
{
	const struct kf_printer *sorted[KF_PRINTERS_MAX];
	int r = 0;

	if (!registry->described)
		registry->described = json_object();
	if (!registry->trees)
		registry->trees = json_object();
	for (size_t i = 0; i < printers->count; i++)
		sorted[i] = &printers->list[i];
	if (printers->count > 0)
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
		qsort(sorted, printers->count, sizeof(*sorted), by_name);
	for (size_t i = 0; i < printers->count; i++)
		for (size_t k = 0; r == 0 && k < sorted[i]->mcus.count; k++)
			r = describe_mcu(printers, sorted[i], &sorted[i]->mcus.list[k], now,
					 registry);
	if (r < 0 || !registry->described || !registry->trees)
		return kf_fail_sys(err, ENOMEM, "the printers' boards");
	return 0;
}

static bool wants_printers(const json_t *records, const struct kf_registry *registry)
{
	struct kf_device device;
	struct kf_board board;
	const json_t *record;
	size_t i;

	json_array_foreach(records, i, record) {
		if (kf_record_board(record, &board, NULL) < 0)
			continue;
		/* Other printers may talk over its bus, or to this process. */
		if (board.link.type == KF_WIRE_CAN || board.link.type == KF_WIRE_PROCESS)
			return true;
		if (!board.key[0])
			continue;
		if (kf_registry_device(registry, board.key, &device, NULL) < 0 ||
		    !kf_registry_names_tree(registry, &device))
			return true;
	}
	return false;
}

int kf_printers_describe_records(const json_t *records, struct kf_registry *registry,
				 struct kf_printers *ret, struct kf_error *err)
{
	_cleanup_(kf_boards_free) struct kf_boards now = { 0 };
	int r;

	if (!wants_printers(records, registry))
		return 0;
	r = kf_usb_scan(&now, err);
	if (r == 0)
		r = kf_printers_find(ret, err);
	return r < 0 ? r : kf_printers_describe(ret, &now, registry, err);
}

bool kf_printers_mcu(const struct kf_printers *printers, const struct kf_board *board,
		     const struct kf_printer **ret_printer, const struct kf_mcu **ret)
{
	for (size_t i = 0; i < printers->count; i++)
		for (size_t k = 0; k < printers->list[i].mcus.count; k++) {
			const struct kf_mcu *mcu = &printers->list[i].mcus.list[k];

			if (strcmp(printers->list[i].name, board->printer.name) != 0 ||
			    strcmp(mcu->name, board->printer.mcu) != 0)
				continue;
			*ret_printer = &printers->list[i];
			*ret = mcu;
			return true;
		}
	return false;
}
