/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Scan, registry and holders in one list, which events keep up to date. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "board/identity.h"
#include "board/last-flash.h"
#include "core/text.h"
#include "usb/by-wire.h"
#include "usb/holder.h"
#include "usb/inventory.h"
#include "usb/occupant.h"

void kf_inventory_free(struct kf_inventory *inventory)
{
	kf_boards_free(&inventory->boards);
	free(inventory->errors);
	inventory->errors = NULL;
}

/* Find the board's key. The second port of a Klipper board has a reason already, and no key. */
static void identify(const struct kf_inventory *inventory, struct kf_board *board,
		     struct kf_error *ret)
{
	*ret = (struct kf_error){ 0 };
	if (!board->reason[0] && kf_registry_identify(inventory->registry, board, ret) < 0)
		board->key[0] = '\0';
}

/* Is the board wanted? One that fits several devices has no key: it is wanted for each of them. */
static bool is_wanted(const struct kf_inventory *inventory, const struct kf_board *board,
		      const struct kf_error *problem)
{
	struct kf_device device;
	char by_id[KF_DEV_SIZE];

	if (!inventory->key || strcmp(board->key, inventory->key) == 0)
		return true;
	if (problem->code != KF_AMBIGUOUS ||
	    kf_registry_device(inventory->registry, inventory->key, &device, NULL) < 0)
		return false;
	kf_board_by_id(board, by_id);
	return (device.pattern && kf_pattern_match(device.pattern, by_id)) ||
	       (device.usb_port && strcmp(device.usb_port, board->usb.port) == 0);
}

bool kf_inventory_wants(const struct kf_boards *now, void *arg, struct kf_board *ret)
{
	const struct kf_inventory *inventory = arg;
	struct kf_error problem;

	for (size_t i = 0; i < now->count; i++) {
		struct kf_board board = now->list[i];

		identify(inventory, &board, &problem);
		if (!is_wanted(inventory, &board, &problem))
			continue;
		*ret = board;
		return true;
	}
	return false;
}

/*
 * Is the last flash noted as incomplete, or a read as cut off? The version comes from the board
 * only: another program may have flashed it since.
 */
static void load_last_flash(struct kf_board *board)
{
	struct kf_last_flash last;

	if (!board->key[0])
		return;
	kf_last_flash_load(board->key, &last);
	KF_COPY(board->incomplete, last.incomplete);
	if (last.reading && board->mode == KF_MODE_KATAPULT && !board->reason[0])
		kf_text_format(board->reason, sizeof(board->reason),
			       "a read of it was cut off, nothing was written: power-cycle it, or "
			       "kf config %s --prove sends it back",
			       board->key);
}

static int append(struct kf_inventory *inventory, const struct kf_board *board,
		  const struct kf_error *problem)
{
	struct kf_error *errors;
	int r;

	errors = reallocarray(inventory->errors, inventory->boards.count + 1, sizeof(*errors));
	if (!errors)
		return -ENOMEM;
	inventory->errors = errors;
	errors[inventory->boards.count] = *problem;
	r = kf_boards_add(&inventory->boards, board);
	if (r == 0)
		load_last_flash(&inventory->boards.list[inventory->boards.count - 1]);
	return r;
}

int kf_inventory_add(struct kf_inventory *inventory, const struct kf_board *board)
{
	return append(inventory, board, &(const struct kf_error){ 0 });
}

/* Two boards may show one serial number: then their ports tell them apart, once both are
 * registered. */
static void hint_duplicates(const struct kf_inventory *inventory, const struct kf_board *a,
			    const struct kf_board *b, struct kf_error *err)
{
	const struct kf_board *own = a, *other = b;
	struct kf_device device;

	if (!kf_board_has_serial(a) || strcasecmp(a->usb.serial, b->usb.serial) != 0 ||
	    strcmp(a->usb.port, b->usb.port) == 0 ||
	    kf_registry_device(inventory->registry, a->key, &device, NULL) < 0)
		return;
	if (!device.usb_port || (strcmp(device.usb_port, a->usb.port) != 0 &&
				 strcmp(device.usb_port, b->usb.port) != 0)) {
		kf_error_hint(err,
			      "both show serial number %s: say where %s is (kf set %s "
			      "usb_port=%s), then register the other one with kf add",
			      a->usb.serial, a->key, a->key, a->usb.port);
		return;
	}
	if (strcmp(device.usb_port, b->usb.port) == 0) {
		own = b;
		other = a;
	}
	kf_error_hint(
		err,
		"both show serial number %s: if %s is the one on USB port %s, register the other "
		"one: kf add --port=%s",
		a->usb.serial, a->key, own->usb.port, other->usb.port);
}

/* Is there another connected board of the key that board number i has? */
static const struct kf_board *find_duplicate(const struct kf_inventory *inventory, size_t i)
{
	const struct kf_board *board = &inventory->boards.list[i], *other;

	for (size_t j = 0; board->key[0] && board->connected && j < inventory->boards.count; j++) {
		other = &inventory->boards.list[j];
		if (j != i && other->connected && strcmp(board->key, other->key) == 0)
			return other;
	}
	return NULL;
}

static void mark_duplicates(struct kf_inventory *inventory)
{
	for (size_t i = 0; i < inventory->boards.count; i++) {
		const struct kf_board *board = &inventory->boards.list[i];
		const struct kf_board *duplicate = find_duplicate(inventory, i);

		if (!duplicate)
			continue;
		kf_fail(&inventory->errors[i], KF_AMBIGUOUS,
			"two boards that fit %s are connected, on USB ports %s and %s", board->key,
			board < duplicate ? board->usb.port : duplicate->usb.port,
			board < duplicate ? duplicate->usb.port : board->usb.port);
		hint_duplicates(inventory, board < duplicate ? board : duplicate,
				board < duplicate ? duplicate : board, &inventory->errors[i]);
	}
}

static bool is_listed(const struct kf_inventory *inventory, const char *key)
{
	for (size_t i = 0; i < inventory->boards.count; i++)
		if (strcmp(inventory->boards.list[i].key, key) == 0)
			return true;
	return false;
}

/* Add registered boards that no USB device shows. Only their wires are looked at. */
static int add_wired(struct kf_inventory *inventory)
{
	const struct kf_error fine = { 0 };
	struct kf_device device;
	struct kf_board board;
	int r = 0;

	for (void *at = NULL; r == 0 && kf_registry_next(inventory->registry, &at, &device);)
		if (!is_listed(inventory, device.key) && kf_wire_board(&device, &board) &&
		    is_wanted(inventory, &board, &fine))
			r = append(inventory, &board, &fine);
	return r;
}

static int add_absent(struct kf_inventory *inventory)
{
	const struct kf_error fine = { 0 };
	struct kf_device device;
	int r = 0;

	for (void *at = NULL; r == 0 && kf_registry_next(inventory->registry, &at, &device);) {
		struct kf_board board = { .excluded = !device.flashable };
		char hint[KF_REASON_SIZE];

		KF_COPY(board.key, device.key);
		KF_COPY(board.name, device.name ? device.name : device.key);
		KF_COPY(board.mcu, device.mcu ? device.mcu : "");
		if (!is_wanted(inventory, &board, &fine) || is_listed(inventory, device.key))
			continue;
		if (!board.excluded)
			IGNORE_RESULT(kf_occupant_instead(inventory->registry, &device,
							  board.reason, hint));
		r = append(inventory, &board, &fine);
	}
	return r;
}

int kf_inventory_fill(struct kf_inventory *inventory, const struct kf_boards *now,
		      struct kf_error *err)
{
	_cleanup_(kf_boards_free) struct kf_boards found = { 0 };
	struct kf_error problem;
	int r = now ? 0 : kf_usb_scan(&found, err);

	if (r < 0)
		return r;
	now = now ? now : &found;
	inventory->found = now->count;
	for (size_t i = 0; r == 0 && i < now->count; i++) {
		struct kf_board board = now->list[i];

		identify(inventory, &board, &problem);
		if (is_wanted(inventory, &board, &problem))
			r = append(inventory, &board, &problem);
	}
	if (r == 0)
		r = add_wired(inventory);
	kf_holders_find(inventory->boards.list, inventory->boards.count);
	if (r == 0 && inventory->absent)
		r = add_absent(inventory);
	if (r < 0)
		return kf_fail_sys(err, -r, "cannot list the boards");
	mark_duplicates(inventory);
	return 0;
}

/* The number of the connected board in the same place, or the count of boards. */
static size_t find_place(const struct kf_boards *boards, const struct kf_board *board)
{
	size_t i;

	for (i = 0; i < boards->count; i++)
		if (boards->list[i].connected && strcmp(boards->list[i].tty, board->tty) == 0 &&
		    strcmp(boards->list[i].usb.port, board->usb.port) == 0)
			break;
	return i;
}

static void remove_at(struct kf_inventory *inventory, size_t i)
{
	struct kf_boards *boards = &inventory->boards;
	size_t after = --boards->count - i;

	memmove(&boards->list[i], &boards->list[i + 1], after * sizeof(*boards->list));
	memmove(&inventory->errors[i], &inventory->errors[i + 1],
		after * sizeof(*inventory->errors));
}

static int add_arrived(struct kf_inventory *inventory, struct kf_board *board,
		       struct kf_error *problem)
{
	int r;

	identify(inventory, board, problem);
	if (!is_wanted(inventory, board, problem))
		return 0;
	kf_holders_find(board, 1);
	r = append(inventory, board, problem);
	if (r < 0)
		return r;
	mark_duplicates(inventory);
	*problem = inventory->errors[inventory->boards.count - 1];
	return 1;
}

int kf_inventory_apply(struct kf_inventory *inventory, const struct kf_event *event,
		       struct kf_board *ret, struct kf_error *ret_problem, struct kf_error *err)
{
	size_t i = find_place(&inventory->boards, &event->board);
	bool known = i < inventory->boards.count;
	int r;

	/* The scan has seen already what this event tells. */
	if (known == event->added)
		return 0;
	if (event->added) {
		*ret = event->board;
		r = add_arrived(inventory, ret, ret_problem);
		return r < 0 ? kf_fail_sys(err, -r, "cannot follow the boards") : r;
	}
	*ret = inventory->boards.list[i];
	ret->connected = false;
	ret->mode = KF_MODE_NONE;
	ret->holder = (struct kf_holder){ 0 };
	*ret_problem = (struct kf_error){ 0 };
	remove_at(inventory, i);
	return 1;
}
