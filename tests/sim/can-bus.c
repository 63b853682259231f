/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "sim/can-bus.h"

#define CRC_POLYNOMIAL 0x4599
#define AFTER_CRC_BITS                                                                             \
	(1 + 2 + 7 + 3) /* delimiter, acknowledgement, end, space to the next frame */
#define US_PER_S 1000000

/* The bits from the start of the frame on, with its CRC, and how many are stuffed into them. */
struct bits {
	unsigned count, stuffed, run, last, crc;
};

static void put(struct bits *b, unsigned value, unsigned width, bool in_crc)
{
	while (width-- > 0) {
		unsigned bit = value >> width & 1;

		b->run = b->count > 0 && bit == b->last ? b->run + 1 : 1;
		b->last = bit;
		b->count++;
		if (in_crc)
			b->crc = (b->crc << 1 ^ ((b->crc >> 14 ^ bit) & 1 ? CRC_POLYNOMIAL : 0)) &
				 0x7fff;
		if (b->run == 5) {
			b->stuffed++;
			b->last = !bit;
			b->run = 1;
		}
	}
}

unsigned sim_can_frame_bits(const struct can_frame *frame)
{
	struct bits b = { 0 };

	put(&b, 0, 1, true); /* start of frame */
	put(&b, frame->can_id & CAN_SFF_MASK, 11, true);
	put(&b, 0, 3, true); /* no remote frame, 11-bit id, reserved */
	put(&b, frame->len, 4, true);
	for (unsigned i = 0; i < frame->len; i++)
		put(&b, frame->data[i], 8, true);
	put(&b, b.crc, 15, false);
	return b.count + b.stuffed + AFTER_CRC_BITS;
}

static bool push(struct sim_can_queue *queue, const struct can_frame *frame)
{
	if (queue->count == SIM_CAN_QUEUE)
		return false;
	queue->frames[(queue->head + queue->count++) % SIM_CAN_QUEUE] = *frame;
	return true;
}

static void pop(struct sim_can_queue *queue)
{
	queue->head = (queue->head + 1) % SIM_CAN_QUEUE;
	queue->count--;
}

bool sim_can_bus_join(struct sim_can_bus *bus, struct sim_can_node *node, struct sim_faults *faults)
{
	if (bus->count == SIM_CAN_NODES)
		return false;
	bus->members[bus->count++] = (struct sim_can_member){ node, faults };
	return true;
}

void sim_can_bus_write(struct sim_can_bus *bus, const struct can_frame *frame, int64_t now_us)
{
	sim_can_bus_run(bus, now_us);
	IGNORE_RESULT(push(&bus->from_host, frame));
	sim_can_bus_run(bus, now_us);
}

bool sim_can_bus_read(struct sim_can_bus *bus, struct can_frame *ret)
{
	if (bus->to_host.count == 0)
		return false;
	*ret = bus->to_host.frames[bus->to_host.head];
	pop(&bus->to_host);
	return true;
}

static bool anybody_listens(const struct sim_can_bus *bus)
{
	for (size_t i = 0; i < bus->count; i++)
		if (bus->members[i].node->mcu)
			return true;
	return false;
}

/* Put the frame with the lowest id on the bus. False: nobody has one. */
static bool arbitrate(struct sim_can_bus *bus)
{
	bool local = false;

	if (bus->from_host.count > 0 && anybody_listens(bus)) {
		bus->wire = bus->from_host.frames[bus->from_host.head];
		bus->sender = NULL;
		bus->occupied = true;
	}
	for (size_t i = 0; i < bus->count; i++) {
		struct sim_can_member *m = &bus->members[i];
		struct can_frame frame;

		if (!sim_can_node_next(m->node, &frame) ||
		    (bus->occupied && frame.can_id >= bus->wire.can_id))
			continue;
		bus->wire = frame;
		bus->sender = m;
		bus->occupied = true;
		local = m->node->local;
	}
	if (!bus->occupied)
		return false;
	if (!bus->sender)
		pop(&bus->from_host);
	bus->was_late = false;
	bus->free_us = bus->clock_us;
	if (bus->bitrate && !local)
		bus->free_us += (int64_t)sim_can_frame_bits(&bus->wire) * US_PER_S / bus->bitrate;
	return true;
}

static void corrupt(struct can_frame *frame)
{
	frame->data[frame->len / 2] ^= 0x40;
}

/* The frame stays on the bus for longer, once. */
static bool delay(struct sim_can_bus *bus)
{
	if (bus->was_late)
		return false;
	bus->was_late = true;
	bus->free_us += bus->late_us;
	return true;
}

/* Returns how often the frame arrives; it may be changed. */
static unsigned suffer(struct sim_faults *faults, enum sim_direction direction,
		       struct can_frame *frame, bool *late)
{
	switch (sim_faults_next(faults, direction, false)) {
	case SIM_FAULT_DROP:
	case SIM_FAULT_UNPLUG:
	case SIM_FAULT_DOWN:
		return 0;
	case SIM_FAULT_CORRUPT:
		corrupt(frame);
		break;
	case SIM_FAULT_DUP:
		return 2;
	case SIM_FAULT_LATE:
		*late = true;
		break;
	default:
		break;
	}
	return 1;
}

static void deliver_to_nodes(struct sim_can_bus *bus, const struct can_frame *frame)
{
	struct can_frame copies[SIM_CAN_NODES];
	unsigned times[SIM_CAN_NODES] = { 0 };
	bool late = false;

	for (size_t i = 0; i < bus->count; i++) {
		struct sim_can_member *m = &bus->members[i];

		if (m == bus->sender || !sim_can_node_wants(m->node, frame))
			continue;
		copies[i] = *frame;
		times[i] = 1;
		if (!bus->sender && !bus->was_late)
			times[i] = suffer(m->faults, SIM_TO_BOARD, &copies[i], &late);
	}
	if (late && delay(bus))
		return;
	for (size_t i = 0; i < bus->count; i++)
		for (; times[i] > 0; times[i]--)
			sim_can_node_receive(bus->members[i].node, &copies[i]);
}

/* From the frame that the fault befell on, nothing passes the host's interface. */
static bool is_down(const struct sim_can_bus *bus)
{
	for (size_t i = 0; i < bus->count; i++)
		if (bus->members[i].faults && bus->members[i].faults->down)
			return true;
	return false;
}

/* The frame has been on the bus: it arrives, unless it comes late. */
static void deliver(struct sim_can_bus *bus)
{
	struct sim_can_member *sender = bus->sender;
	struct can_frame frame = bus->wire;
	bool late = false, whole = !sender || sender->node->loaded;
	unsigned times = 1;

	if (sender && whole && !bus->was_late)
		times = suffer(sender->faults, SIM_FROM_BOARD, &frame, &late);
	if (late && delay(bus))
		return;
	if (sender && whole && !is_down(bus))
		for (unsigned i = 0; i < times; i++)
			IGNORE_RESULT(push(&bus->to_host, &frame));
	if (whole && !(sender && sender->node->local) && (sender || !is_down(bus)))
		deliver_to_nodes(bus, &frame);
	if (bus->free_us > bus->clock_us)
		return;
	if (sender && whole)
		sim_can_node_sent(sender->node);
	bus->occupied = false;
}

static int64_t next_us(const struct sim_can_bus *bus)
{
	int64_t next = bus->occupied ? bus->free_us : SIM_NEVER;

	for (size_t i = 0; i < bus->count; i++) {
		const struct sim_mcu *mcu = bus->members[i].node->mcu;

		if (mcu && mcu->busy_until_us > bus->clock_us && mcu->busy_until_us < next)
			next = mcu->busy_until_us;
	}
	return next;
}

void sim_can_bus_run(struct sim_can_bus *bus, int64_t now_us)
{
	for (;;) {
		int64_t next;

		for (size_t i = 0; i < bus->count; i++)
			if (!sim_faults_halt(bus->members[i].faults))
				sim_can_node_run(bus->members[i].node, bus->clock_us);
		if (!bus->occupied)
			arbitrate(bus);
		next = next_us(bus);
		if (next > now_us)
			break;
		if (next > bus->clock_us)
			bus->clock_us = next;
		if (bus->occupied && bus->free_us <= bus->clock_us)
			deliver(bus);
	}
	if (now_us > bus->clock_us)
		bus->clock_us = now_us;
}

int64_t sim_can_bus_wake_us(const struct sim_can_bus *bus)
{
	return next_us(bus);
}
