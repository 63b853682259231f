/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "flash/ask-bus.h"
#include "flash/bus-users.h"
#include "flash/print-guard.h"
#include "link/can.h"

enum { NODES_MAX = 128, ANSWER_MS = 300 };

static int check_printing(const struct kf_printers *printers, const char *interface,
			  struct kf_error *err)
{
	struct kf_board bus = { .link = { .type = KF_WIRE_CAN } };
	struct kf_print_guard guard = { 0 };
	struct kf_bus_users users;
	int r = 0;

	KF_COPY(bus.link.interface, interface);
	kf_bus_users_find(printers, &bus, &users);
	for (size_t i = 0; r == 0 && i < users.count; i++)
		r = kf_print_guard_holder(&guard, &users.list[i], err);
	kf_print_guard_free(&guard);
	if (r < 0)
		kf_error_prefix(err, "%s is not asked", interface);
	return r;
}

/* The number of the node in the inventory, or the count of boards. */
static size_t find(const struct kf_inventory *inventory, const char *uuid)
{
	size_t i = 0;

	while (i < inventory->boards.count &&
	       strcmp(inventory->boards.list[i].link.uuid, uuid) != 0)
		i++;
	return i;
}

static int take(struct kf_inventory *inventory, const char *interface,
		const struct kf_can_node *node, bool again)
{
	struct kf_board board = { .connected = true, .link = { .type = KF_WIRE_CAN } }, *known;
	char uuid[KF_CAN_UUID_SIZE];
	size_t i;
	int r = 0;

	kf_can_uuid_format(node->uuid, uuid);
	i = find(inventory, uuid);
	if (i == inventory->boards.count && inventory->key)
		return 0;
	if (i == inventory->boards.count) {
		KF_COPY(board.link.interface, interface);
		KF_COPY(board.link.uuid, uuid);
		r = kf_inventory_add(inventory, &board);
	}
	if (r < 0)
		return r;
	known = &inventory->boards.list[i];
	known->connected = true;
	known->mode = node->application == KF_CAN_KATAPULT ? KF_MODE_KATAPULT : KF_MODE_KLIPPER;
	if (!known->excluded)
		known->reason[0] = '\0';
	if (again)
		kf_fail(&inventory->errors[i], KF_AMBIGUOUS,
			"two nodes on %s show the UUID %s: take one of them off the bus", interface,
			uuid);
	return 0;
}

static bool answered(const struct kf_can_node *nodes, int count, const struct kf_board *board)
{
	uint8_t uuid[KF_CAN_UUID_BYTES];

	if (!kf_can_uuid_parse(board->link.uuid, uuid))
		return true;
	for (int i = 0; i < count; i++)
		if (memcmp(nodes[i].uuid, uuid, sizeof(uuid)) == 0)
			return true;
	return false;
}

/* Give a reason to each configured node that did not answer. A node whose version is known has an
 * id from its Klippy: such a node never answers, and gets none. */
static void mark_silent(struct kf_inventory *inventory, const char *interface,
			const struct kf_can_node *nodes, int count)
{
	for (size_t i = 0; i < inventory->boards.count; i++) {
		struct kf_board *board = &inventory->boards.list[i];

		if (board->link.type != KF_WIRE_CAN || board->usb.port[0] || board->version[0] ||
		    board->excluded || strcmp(board->link.interface, interface) != 0 ||
		    answered(nodes, count, board))
			continue;
		board->connected = false;
		kf_text_format(board->reason, sizeof(board->reason),
			       "it did not answer on %s: it has no power or another bitrate, is "
			       "stuck, or still has the id that a Klippy gave it",
			       interface);
	}
}

int kf_bus_ask(struct kf_inventory *inventory, const struct kf_printers *printers,
	       const char *interface, void (*asks)(const char *interface), struct kf_error *err)
{
	_cleanup_(kf_can_closep) struct kf_can can = KF_CAN_NONE;
	struct kf_can_node nodes[NODES_MAX];
	int count = 0, r = check_printing(printers, interface, err);

	if (r == 0)
		r = kf_can_open(interface, &can, err);
	if (r < 0)
		return r;
	asks(interface);
	count = kf_can_query(&can, kf_now_ms() + ANSWER_MS, nodes, NODES_MAX, err);
	for (int i = 0; r >= 0 && i < count; i++) {
		bool again = false;

		for (int k = 0; k < i; k++)
			again |= memcmp(nodes[k].uuid, nodes[i].uuid, KF_CAN_UUID_BYTES) == 0;
		r = take(inventory, interface, &nodes[i], again);
	}
	if (r < 0)
		return kf_fail_sys(err, -r, "cannot list the nodes");
	if (count >= 0)
		mark_silent(inventory, interface, nodes, count);
	return count < 0 ? count : 0;
}
