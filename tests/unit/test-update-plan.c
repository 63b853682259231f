/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text before kf update's question: the order of the boards, and the services that stop. */
#include <stdlib.h>

#include "board/record.h"
#include "registry/update-plan.h"
#include "unit/test.h"

/* A record with kf-status's word on the board, which is on can0 and has this unit's Klippy. */
static json_t *behind(const char *key, const char *unit, bool bridge)
{
	struct kf_board board = { .connected = true, .link.type = KF_WIRE_CAN };
	json_t *record;

	strcpy(board.key, key);
	strcpy(board.mcu, "stm32h723");
	strcpy(board.version, "v1");
	strcpy(board.holder.unit, unit);
	board.holder.pid = 1;
	strcpy(board.link.interface, "can0");
	strcpy(board.link.uuid, "44db3d634885");
	if (bridge) {
		strcpy(board.usb.vendor, "1d50");
		strcpy(board.usb.product, "606f");
		strcpy(board.usb.port, "1-1.2");
	}
	record = kf_record_new(&board);
	json_object_set_new(record, "status",
			    json_pack("{s:s, s:s, s:s, s:i}", "state", "behind", "version", "v1",
				      "tree_version", "v2", "behind", 3));
	return record;
}

TEST(the_bridge_is_last_and_each_service_is_named)
{
	json_t *boards = json_pack("[o, o, o]", behind("mcu", "voron-klipper.service", true),
				   behind("tool", "klipper.service", false),
				   behind("ebb", "voron-klipper.service", false));
	char *text = kf_update_plan(boards, boards);
	const char *bridge = strstr(text, "  mcu "), *node = strstr(text, "  tool ");

	CHECK(strncmp(text, "Boards behind (v1 -> v2, 3 commits):\n",
		      strlen("Boards behind (v1 -> v2, 3 commits):\n")) == 0);
	CHECK(node && bridge && node < bridge);
	CHECK(bridge && strstr(bridge, "  (last: it carries the others)\n"));
	CHECK(strstr(text,
		     "Klipper (voron-klipper.service, klipper.service) will be stopped for about"));
	free(text);
	json_decref(boards);
}

TEST_MAIN(T(the_bridge_is_last_and_each_service_is_named))
