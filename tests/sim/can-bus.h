/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A CAN bus: the frames of the host's programs and of the nodes, one at a time, the lowest id
 * first. With a bit rate, a frame takes as long as its bits do, those that are stuffed included.
 * The bus keeps its own clock up to the time that it is run to, so a late caller does not slow it
 * down. A frame from the host is carried only while a node is there to acknowledge it. Pure.
 *
 * Not modelled: errors on the wire and their retransmission, several controllers with one id.
 */
#ifndef SIM_CAN_BUS_H
#define SIM_CAN_BUS_H

#include "sim/can-node.h"

#define SIM_CAN_NODES 16
#define SIM_CAN_QUEUE 1024

struct sim_can_queue {
	struct can_frame frames[SIM_CAN_QUEUE]; /* a ring */
	size_t head, count;
};

struct sim_can_member {
	struct sim_can_node *node;
	struct sim_faults *faults; /* of the frames that it gets and sends; may be NULL */
};

struct sim_can_bus {
	unsigned bitrate; /* 0: frames take no time */
	unsigned late_us; /* what SIM_FAULT_LATE adds to a frame */
	struct sim_can_member members[SIM_CAN_NODES];
	size_t count;

	struct sim_can_queue from_host, to_host;
	int64_t clock_us;
	struct can_frame wire;	       /* the frame on the bus, until free_us */
	struct sim_can_member *sender; /* NULL: the host */
	bool occupied, was_late;
	int64_t free_us;
};

/* The node and faults stay the caller's. False: there is no room for another node. */
_must_check_ bool sim_can_bus_join(struct sim_can_bus *bus, struct sim_can_node *node,
				   struct sim_faults *faults);

/* A frame of a program's, at now_us. It is lost if SIM_CAN_QUEUE wait already. */
void sim_can_bus_write(struct sim_can_bus *bus, const struct can_frame *frame, int64_t now_us);

/* The next frame for programs; false: none. */
bool sim_can_bus_read(struct sim_can_bus *bus, struct can_frame *ret);

void sim_can_bus_run(struct sim_can_bus *bus, int64_t now_us);

/* When to run it next, if no program sends; SIM_NEVER. */
int64_t sim_can_bus_wake_us(const struct sim_can_bus *bus);

/* The bits of a frame on the wire, up to when the next one may begin (ISO 11898-1: CRC, stuffing).
 */
unsigned sim_can_frame_bits(const struct can_frame *frame);

#endif
