/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "board/port.h"
#include "flash/bus-users.h"
#include "usb/holder.h"

enum use { USES_NOT, USES_BUS, USES_BOARD };

static enum use use_of(const struct kf_printer *printer, const struct kf_board *board)
{
	const struct kf_board_link *link = &board->link;
	enum use use = kf_printer_may_have(printer) ? USES_BUS : USES_NOT;

	for (size_t i = 0; i < printer->mcus.count; i++) {
		const struct kf_mcu *mcu = &printer->mcus.list[i];

		if (link->type == KF_WIRE_PROCESS && strcmp(mcu->serial, link->path) == 0)
			return USES_BOARD;
		if (!mcu->canbus_uuid[0])
			continue;
		if (link->uuid[0] && strcmp(mcu->canbus_uuid, link->uuid) == 0)
			return USES_BOARD;
		if (strcmp(mcu->canbus_interface, link->interface) == 0)
			use = USES_BUS;
	}
	return use;
}

static void append(struct kf_bus_users *users, const struct kf_printer *printer)
{
	users->list[users->count++] = kf_holder_of(printer->pid);
}

void kf_bus_users_find(const struct kf_printers *printers, const struct kf_board *board,
		       struct kf_bus_users *ret)
{
	bool bridge = kf_board_is_bridge(board);

	ret->held = ret->count = 0;
	for (size_t i = 0; i < printers->count; i++) {
		enum use use = use_of(&printers->list[i], board);

		if (printers->list[i].pid && (use == USES_BOARD || (bridge && use == USES_BUS)))
			append(ret, &printers->list[i]);
	}
	ret->held = ret->count;
	for (size_t i = 0; i < printers->count; i++)
		if (printers->list[i].pid && !bridge &&
		    use_of(&printers->list[i], board) == USES_BUS)
			append(ret, &printers->list[i]);
}
