/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "sim/link.h"

void sim_link_reset(struct sim_link *link, struct sim_mcu *mcu, bool prime)
{
	link->mcu = mcu;
	link->prime = prime;
	link->mute_until_us = 0;
	link->out_count = 0;
	link->endpoint_len = 0;
	link->held_len = 0;
	link->primed = false;
	link->request_len = 0;
	link->in_len = 0;
	link->in_due_us = 0;
}

void sim_link_close(struct sim_link *link)
{
	link->open = false;
	link->request_len = 0;
	link->in_len = 0;
	link->out_count = 0;
}

bool sim_link_write(struct sim_link *link, const uint8_t *data, size_t len)
{
	struct sim_transfer *t;

	if (link->out_count == SIM_TRANSFERS || len > SIM_TRANSFER_MAX)
		return false;
	t = &link->out[(link->out_head + link->out_count++) % SIM_TRANSFERS];
	memcpy(t->data, data, len);
	t->len = len;
	t->done = 0;
	return true;
}

size_t sim_link_queued(const struct sim_link *link)
{
	size_t bytes = 0;

	for (size_t i = 0; i < link->out_count; i++) {
		const struct sim_transfer *t = &link->out[(link->out_head + i) % SIM_TRANSFERS];

		bytes += t->len - t->done;
	}
	return bytes;
}

/* One packet to the board's USB hardware. */
static bool offer(struct sim_link *link)
{
	struct sim_transfer *t = &link->out[link->out_head];
	size_t len;

	if (link->out_count == 0 || link->endpoint_len > 0)
		return false;
	len = t->len - t->done < SIM_PACKET ? t->len - t->done : SIM_PACKET;
	memcpy(link->endpoint, t->data + t->done, len);
	link->endpoint_len = len;
	t->done += len;
	if (t->done == t->len) {
		link->out_head = (link->out_head + 1) % SIM_TRANSFERS;
		link->out_count--;
	}
	return true;
}

/* Pass a packet from the endpoint to the board's program. */
static bool move_packet(struct sim_link *link)
{
	if (link->endpoint_len == 0 || !sim_mcu_take(link->mcu, link->endpoint, link->endpoint_len))
		return false;
	link->endpoint_len = 0;
	return true;
}

static void arrive(struct sim_link *link, const uint8_t *data, size_t len, int64_t now_us)
{
	if (len > SIM_INBOX - link->in_len)
		len = SIM_INBOX - link->in_len;
	if (link->in_len == 0)
		link->in_due_us = now_us + link->latency_us;
	memcpy(link->in + link->in_len, data, len);
	link->in_len += len;
}

static void receive(struct sim_link *link, const uint8_t *packet, size_t len, int64_t now_us)
{
	if (link->mcu->uart) {
		arrive(link, packet, len, now_us);
		return;
	}
	memcpy(link->request + link->request_len, packet, len);
	link->request_len += len;
	if (len < SIM_PACKET || link->request_len == SIM_REQUEST) {
		arrive(link, link->request, link->request_len, now_us);
		link->request_len = 0;
	}
}

/* One packet from the board. */
static bool collect(struct sim_link *link, int64_t now_us)
{
	uint8_t packet[SIM_PACKET];
	size_t len;

	if (!link->open || SIM_INBOX - link->in_len < SIM_REQUEST)
		return false;
	len = sim_mcu_send(link->mcu, packet);
	if (len == 0)
		return false;
	if (link->prime && !link->primed && link->held_len == 0) {
		memcpy(link->held, packet, len);
		link->held_len = len;
		return true;
	}
	if (link->held_len > 0)
		receive(link, link->held, link->held_len, now_us);
	link->held_len = 0;
	link->primed = true;
	receive(link, packet, len, now_us);
	return true;
}

/* A stall or an unplugging has begun: whoever owns the board acts on it first. */
static bool halted(const struct sim_link *link)
{
	const struct sim_faults *f = link->mcu->faults;

	return f && (f->stall || f->unplug);
}

void sim_link_run(struct sim_link *link, int64_t now_us)
{
	bool moved = true;

	if (!link->mcu || now_us < link->mute_until_us)
		return;
	while (moved) {
		bool deaf = now_us < link->mcu->busy_until_us;

		moved = offer(link);
		if (!deaf || link->mcu->uart)
			moved |= move_packet(link);
		if (deaf)
			continue;
		moved |= link->mcu->step(link->mcu, now_us);
		if (halted(link))
			return;
		if (now_us >= link->mcu->busy_until_us)
			moved |= collect(link, now_us);
	}
}

size_t sim_link_readable(const struct sim_link *link, int64_t now_us)
{
	return now_us < link->in_due_us ? 0 : link->in_len;
}

void sim_link_drop(struct sim_link *link, size_t len)
{
	link->in_len -= len;
	memmove(link->in, link->in + len, link->in_len);
}

int64_t sim_link_wake_us(const struct sim_link *link, int64_t now_us)
{
	int64_t times[] = {
		link->in_len > 0 ? link->in_due_us : SIM_NEVER,
		link->mcu ? link->mute_until_us : SIM_NEVER,
		link->mcu ? link->mcu->busy_until_us : SIM_NEVER,
	};
	int64_t wake_us = SIM_NEVER;

	for (size_t i = 0; i < KF_ARRAY_SIZE(times); i++)
		if (times[i] > now_us && times[i] < wake_us)
			wake_us = times[i];
	return wake_us;
}
