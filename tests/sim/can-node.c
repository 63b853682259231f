/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "link/can.h"
#include "sim/can-node.h"

enum {
	QUERY = 0x00,
	SET_KLIPPER_ID = 0x01,
	BOOTLOADER = 0x02,
	SET_KATAPULT_ID = 0x11,
	CLEAR_KATAPULT_IDS = 0x12,
	NEED_ID = 0x20,
};

void sim_can_node_reset(struct sim_can_node *node, struct sim_mcu *mcu, bool klipper)
{
	node->mcu = mcu;
	node->klipper = klipper;
	node->id = 0;
	node->wants_bootloader = node->loaded = false;
	node->place_count = node->admin_count = 0;
	node->answer_count = 0;
}

bool sim_can_node_wants(const struct sim_can_node *node, const struct can_frame *frame)
{
	if (!node->mcu || node->wants_bootloader || frame->can_id & ~CAN_SFF_MASK)
		return false;
	return frame->can_id == KF_CAN_ADMIN ||
	       (node->id && (frame->can_id == node->id || frame->can_id == node->id + 1));
}

void sim_can_node_receive(struct sim_can_node *node, const struct can_frame *frame)
{
	if (sim_can_node_wants(node, frame) && node->place_count < SIM_CAN_PLACES)
		node->places[node->place_count++] = *frame;
}

static void answer_query(struct sim_can_node *node)
{
	struct can_frame *answer;

	if (node->id || node->answer_count == SIM_CAN_ADMIN)
		return;
	answer = &node->answers[node->answer_count++];
	*answer =
		(struct can_frame){ .can_id = KF_CAN_ADMIN_ANSWER, .len = 8, .data = { NEED_ID } };
	memcpy(answer->data + 1, node->uuid, sizeof(node->uuid));
	answer->data[7] = node->klipper ? SET_KLIPPER_ID : SET_KATAPULT_ID;
}

/* Another node is given the id that this one has: this one drops it. */
static void set_id(struct sim_can_node *node, const struct can_frame *frame, bool ours)
{
	canid_t id;

	if (frame->len < 8)
		return;
	id = frame->data[7] * 2u + 0x100;
	if (ours)
		node->id = id;
	else if (node->id == id)
		node->id = 0;
}

static void obey(struct sim_can_node *node, const struct can_frame *frame)
{
	bool ours = frame->len >= 7 && memcmp(frame->data + 1, node->uuid, sizeof(node->uuid)) == 0;

	if (frame->len == 0)
		return;
	switch (frame->data[0]) {
	case QUERY:
		answer_query(node);
		break;
	case SET_KLIPPER_ID:
		if (node->klipper)
			set_id(node, frame, ours);
		break;
	case BOOTLOADER:
		node->wants_bootloader = node->klipper && ours;
		break;
	case SET_KATAPULT_ID:
		if (!node->klipper)
			set_id(node, frame, ours);
		break;
	case CLEAR_KATAPULT_IDS:
		if (!node->klipper)
			node->id = 0;
		break;
	}
}

/* The interrupt: data that does not fit is lost, a frame at a time; the rest waits for the program.
 */
static void take(struct sim_can_node *node, const struct can_frame *frame)
{
	struct sim_mcu *mcu = node->mcu;

	if (frame->can_id != node->id) {
		if (node->admin_count < SIM_CAN_ADMIN)
			node->admin[node->admin_count++] = *frame;
	} else if (frame->len <= mcu->rx_size - mcu->rx_len) {
		IGNORE_RESULT(sim_mcu_take(mcu, frame->data, frame->len));
	}
}

static void take_all(struct sim_can_node *node)
{
	for (size_t i = 0; i < node->place_count; i++)
		take(node, &node->places[i]);
	node->place_count = 0;
	for (size_t i = 0; i < node->admin_count; i++) {
		if (node->admin[i].can_id == KF_CAN_ADMIN)
			obey(node, &node->admin[i]);
		else if (node->id && node->admin[i].can_id == node->id + 1)
			node->id = 0;
	}
	node->admin_count = 0;
}

/* Into the controller: what is there goes out, whatever becomes of the id. */
static void load(struct sim_can_node *node)
{
	struct sim_mcu *mcu = node->mcu;
	struct can_frame *frame = &node->mailbox;

	if (node->loaded)
		return;
	if (node->answer_count > 0) {
		*frame = node->answers[0];
		memmove(node->answers, node->answers + 1,
			--node->answer_count * sizeof(node->answers[0]));
	} else if (node->id && mcu->tx_len > 0) {
		*frame = (struct can_frame){ .can_id = node->id + 1 };
		frame->len = (uint8_t)(mcu->tx_len < CAN_MAX_DLEN ? mcu->tx_len : CAN_MAX_DLEN);
		memcpy(frame->data, mcu->tx, frame->len);
		mcu->tx_len -= frame->len;
		memmove(mcu->tx, mcu->tx + frame->len, mcu->tx_len);
	} else {
		return;
	}
	node->loaded = true;
}

void sim_can_node_run(struct sim_can_node *node, int64_t now_us)
{
	struct sim_mcu *mcu = node->mcu;
	bool moved = true;

	while (moved && mcu && now_us >= mcu->busy_until_us && !node->wants_bootloader) {
		take_all(node);
		moved = mcu->step(mcu, now_us);
		if (!node->id)
			mcu->tx_len = 0;
		if (now_us >= mcu->busy_until_us)
			load(node);
	}
}

bool sim_can_node_next(const struct sim_can_node *node, struct can_frame *ret)
{
	if (node->loaded)
		*ret = node->mailbox;
	return node->loaded;
}

void sim_can_node_sent(struct sim_can_node *node)
{
	node->loaded = false;
}
