/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The wire between the host's driver and one board. Pure: bytes and microseconds are
 * passed in, sim_link_run() does what can be done by now.
 *
 * USB as cdc_acm does it: a write(2) of the client is a transfer, cut into packets of 64
 * bytes; the host's read request has 128 bytes and completes when full or at a packet
 * of less than 64, so a reply of exactly 64 bytes waits there for whatever follows it.
 * The board's USB hardware takes one packet while the board is deaf. So the last close, which
 * cancels what is queued, can cut a transfer after any packet (measured: 6 kills of 10).
 * Packets go in turns, one to the board, one from it, so many outstanding reads
 * overflow the board's transmit buffer (measured on cdc_acm: protocols.md). While nobody
 * has the port open, nothing is collected from the board.
 *
 * UART: a byte takes the time of its 10 bits, in each direction, and there is no flow control.
 * While the board is deaf, its receiver holds one byte; those after it are lost (measured:
 * transports.md). If the host's rate is another than the board's, each hears something else
 * (uart.h). Not modelled: the USB frame's bandwidth.
 */
#ifndef SIM_LINK_H
#define SIM_LINK_H

#include "sim/mcu.h"

#define SIM_TRANSFER_MAX 1280 /* cdc_acm's write request at full speed: 20 packets */
#define SIM_TRANSFERS	 16   /* cdc_acm's write requests: then write(2) has to wait */
#define SIM_REQUEST	 128  /* its read request */
#define SIM_INBOX	 8192

struct sim_transfer {
	size_t len, done;
	uint8_t data[SIM_TRANSFER_MAX];
};

struct sim_link {
	struct sim_mcu *mcu; /* what runs on the board; NULL: nothing does */
	bool prime;	     /* double-buffered USB: the first packet leaves only with the second */
	bool open;	     /* a client has the port open */
	int64_t latency_us;  /* from the board's reply to the client's read */
	unsigned baud, host_baud; /* UART: 0: its bytes take no time; any rate */
	int64_t mute_until_us;

	struct sim_transfer out[SIM_TRANSFERS]; /* a ring */
	size_t out_head, out_count;
	uint8_t endpoint[SIM_PACKET]; /* the packet, or the UART's byte, in the board's hardware */
	size_t endpoint_len;

	uint8_t held[SIM_PACKET]; /* priming: the first packet */
	size_t held_len;
	bool primed;

	uint8_t request[SIM_REQUEST];
	size_t request_len;

	uint8_t in[SIM_INBOX]; /* for the client */
	size_t in_len;
	int64_t in_due_us;

	/* UART: until when all that happened is done; when the byte on each line is over. */
	int64_t clock_us, to_board_us, from_board_us;
};

/* A reset: mcu runs on the board now. Nothing in flight survives. */
void sim_link_reset(struct sim_link *link, struct sim_mcu *mcu, bool prime);

/* The last client has closed the port: the host's requests are cancelled. */
void sim_link_close(struct sim_link *link);

/* A write(2) of the client's, len at most SIM_TRANSFER_MAX. False: the driver's queue is full. */
_must_check_ bool sim_link_write(struct sim_link *link, const uint8_t *data, size_t len);

/* Bytes that were written and that the board has not taken. */
size_t sim_link_queued(const struct sim_link *link);

void sim_link_run(struct sim_link *link, int64_t now_us);

/* Bytes for the client that are due: their count, 0 if none. They stay until dropped. */
size_t sim_link_readable(const struct sim_link *link, int64_t now_us);
void sim_link_drop(struct sim_link *link, size_t len);

/* When sim_link_run() or sim_link_readable() will have news without new input; SIM_NEVER. */
int64_t sim_link_wake_us(const struct sim_link *link, int64_t now_us);

#endif
