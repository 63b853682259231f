/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A board's place on a CAN bus, byte for byte (Katapult and Klipper src/generic/canserial.c; proved
 * against the recorded exchanges in tests/fixtures/katapult-can-uart.jsonl): its id, the admin
 * commands 00, 01, 02, 11 and 12, the conflicts that take its id away. What its data says is the
 * program's (mcu.h).
 *
 * The controller takes the frames of its filter, and has three places for them: while the program
 * is deaf, a fourth is lost. It sends one frame at a time: real controllers have room for
 * three or four. Pure: frames and microseconds are passed in.
 */
#ifndef SIM_CAN_NODE_H
#define SIM_CAN_NODE_H

#include <linux/can.h>

#include "board/can-uuid.h"
#include "sim/mcu.h"

#define SIM_CAN_PLACES 3
#define SIM_CAN_ADMIN  8 /* the program's queue of admin frames, and of its answers */

struct sim_can_node {
	uint8_t uuid[KF_CAN_UUID_BYTES];
	bool local; /* the firmware of a USB-to-CAN bridge: it is at the host's side of the bus */
	struct sim_mcu *mcu;   /* what runs; NULL: nothing, and it hears nothing */
	bool klipper;	       /* that is Klipper, not Katapult */
	canid_t id;	       /* its data come to this, and go from this + 1; 0: none */
	bool wants_bootloader; /* Klipper was asked to leave for it, and does nothing more */

	struct can_frame places[SIM_CAN_PLACES];
	size_t place_count;
	struct can_frame admin[SIM_CAN_ADMIN];
	size_t admin_count;
	struct can_frame answers[SIM_CAN_ADMIN]; /* to "00"; they go before its data */
	size_t answer_count;
	struct can_frame mailbox; /* the controller's: its next frame */
	bool loaded;		  /* there is one */
};

/* A reset: mcu runs now, or nothing. It has no id. */
void sim_can_node_reset(struct sim_can_node *node, struct sim_mcu *mcu, bool klipper);

/* Would its controller's filter take this frame? */
bool sim_can_node_wants(const struct sim_can_node *node, const struct can_frame *frame);

/* A frame from the bus, whether or not it wants it. */
void sim_can_node_receive(struct sim_can_node *node, const struct can_frame *frame);

/* All that the program does by now. */
void sim_can_node_run(struct sim_can_node *node, int64_t now_us);

/* The frame that it wants to send next; false: none. It stays until it was sent. */
bool sim_can_node_next(const struct sim_can_node *node, struct can_frame *ret);
void sim_can_node_sent(struct sim_can_node *node);

#endif
