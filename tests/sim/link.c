/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "sim/link.h"
#include "sim/uart.h"

#define US_PER_S 1000000

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
	link->to_board_us = link->from_board_us = SIM_NEVER;
}

void sim_link_close(struct sim_link *link)
{
	link->open = false;
	link->request_len = 0;
	link->in_len = 0;
	link->out_count = 0;
}

static bool is_uart(const struct sim_link *link)
{
	return link->mcu && link->mcu->wire == SIM_WIRE_UART;
}

static bool wrong_rate(const struct sim_link *link)
{
	return is_uart(link) && link->baud && link->host_baud && link->baud != link->host_baud;
}

bool sim_link_write(struct sim_link *link, const uint8_t *data, size_t len)
{
	struct sim_transfer *t;
	uint8_t heard[SIM_TRANSFER_MAX];

	if (link->out_count == SIM_TRANSFERS || len > SIM_TRANSFER_MAX)
		return false;
	if (wrong_rate(link)) {
		len = sim_uart_hear(data, len, link->host_baud, link->baud, heard, sizeof(heard));
		data = heard;
	}
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

/* The time of a byte on the line. */
static int64_t byte_us(unsigned baud)
{
	return baud ? 10LL * US_PER_S / baud : 0;
}

/* The byte on the line to the board is over. Its receiver has room for one. */
static void receive_byte(struct sim_link *link)
{
	struct sim_transfer *t = &link->out[link->out_head];
	uint8_t byte = t->data[t->done++];

	if (t->done == t->len) {
		link->out_head = (link->out_head + 1) % SIM_TRANSFERS;
		link->out_count--;
	}
	if (link->endpoint_len == 0)
		link->endpoint[link->endpoint_len++] = byte;
}

/* The byte on the line from the board is over. */
static void send_byte(struct sim_link *link)
{
	struct sim_mcu *mcu = link->mcu;
	uint8_t byte = mcu->tx[0], heard[4];
	size_t len = 1;

	memmove(mcu->tx, mcu->tx + 1, --mcu->tx_len);
	heard[0] = byte;
	if (wrong_rate(link))
		len = sim_uart_hear(&byte, 1, link->baud, link->host_baud, heard, sizeof(heard));
	if (link->open)
		arrive(link, heard, len, link->clock_us);
}

/* A line that has a byte to carry begins with it. */
static void start_lines(struct sim_link *link, bool deaf)
{
	if (link->out_count == 0)
		link->to_board_us = SIM_NEVER;
	else if (link->to_board_us == SIM_NEVER)
		link->to_board_us =
			link->clock_us + byte_us(link->host_baud ? link->host_baud : link->baud);
	if (link->mcu->tx_len == 0 || deaf)
		link->from_board_us = SIM_NEVER;
	else if (link->from_board_us == SIM_NEVER)
		link->from_board_us = link->clock_us + byte_us(link->baud);
}

static int64_t next_byte_us(const struct sim_link *link)
{
	int64_t next =
		link->to_board_us < link->from_board_us ? link->to_board_us : link->from_board_us;
	int64_t busy = link->mcu->busy_until_us;

	return busy > link->clock_us && busy < next ? busy : next;
}

/* Byte by byte up to now, by the lines' own clock. */
static void run_uart(struct sim_link *link, int64_t now_us)
{
	for (;;) {
		bool deaf = link->clock_us < link->mcu->busy_until_us;
		int64_t next;

		while (!deaf) {
			bool moved = move_packet(link);

			if (!link->mcu->step(link->mcu, link->clock_us) && !moved)
				break;
			if (sim_faults_halt(link->mcu->faults))
				return;
			deaf = link->clock_us < link->mcu->busy_until_us;
		}
		start_lines(link, deaf);
		next = next_byte_us(link);
		if (next > now_us)
			break;
		link->clock_us = next > link->clock_us ? next : link->clock_us;
		if (link->to_board_us <= link->clock_us) {
			receive_byte(link);
			link->to_board_us = SIM_NEVER;
		}
		if (link->from_board_us <= link->clock_us) {
			send_byte(link);
			link->from_board_us = SIM_NEVER;
		}
	}
	if (now_us > link->clock_us)
		link->clock_us = now_us;
}

void sim_link_run(struct sim_link *link, int64_t now_us)
{
	bool moved = true;

	if (!link->mcu || now_us < link->mute_until_us)
		return;
	if (is_uart(link)) {
		run_uart(link, now_us);
		return;
	}
	while (moved) {
		bool deaf = now_us < link->mcu->busy_until_us;

		moved = offer(link);
		if (!deaf)
			moved |= move_packet(link);
		if (deaf)
			continue;
		moved |= link->mcu->step(link->mcu, now_us);
		if (sim_faults_halt(link->mcu->faults))
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

/* A line is looked at when it has carried all that it has, not for each byte. */
static int64_t next_block_us(const struct sim_link *link)
{
	int64_t to = link->to_board_us, from = link->from_board_us;

	if (to != SIM_NEVER)
		to += (int64_t)(sim_link_queued(link) - 1) *
		      byte_us(link->host_baud ? link->host_baud : link->baud);
	if (from != SIM_NEVER)
		from += (int64_t)(link->mcu->tx_len - 1) * byte_us(link->baud);
	return to < from ? to : from;
}

int64_t sim_link_wake_us(const struct sim_link *link, int64_t now_us)
{
	int64_t times[] = {
		link->in_len > 0 ? link->in_due_us : SIM_NEVER,
		link->mcu ? link->mute_until_us : SIM_NEVER,
		link->mcu ? link->mcu->busy_until_us : SIM_NEVER,
		is_uart(link) ? next_block_us(link) : SIM_NEVER,
	};
	int64_t wake_us = SIM_NEVER;

	for (size_t i = 0; i < KF_ARRAY_SIZE(times); i++)
		if (times[i] > now_us && times[i] < wake_us)
			wake_us = times[i];
	return wake_us;
}
