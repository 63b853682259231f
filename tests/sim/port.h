/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A board on its port: the model, its device on the bus and what joins both: a pty or usbfs.h. What
 * the client wrote is kept apart by frames (board.h); a frame's missing rest is waited for a few
 * milliseconds, since a pty may deliver one write(2) in two parts. The last close drops what the
 * board has not taken; a close(2) that waits for it first is what preload.c adds.
 */
#ifndef SIM_PORT_H
#define SIM_PORT_H

#include "sim/bus.h"
#include "sim/pty.h"

struct sim_port {
	struct sim_board board;
	struct sim_pty pty;
	struct sim_node node;
	unsigned shown; /* the board's generation that the bus shows */

	uint8_t in[4096]; /* from the client, not yet a transfer */
	size_t in_len;
	int64_t rest_deadline_us; /* until when a frame's rest is waited for; 0: none is */
};

/* Microseconds of CLOCK_MONOTONIC: all times of a port. */
int64_t sim_now_us(void);

/* A board that is plugged in. Big: allocate it. sim_port_free undoes it; NULL is fine. */
_must_check_ int sim_port_new(const struct sim_spec *spec, struct sim_port **ret,
			      struct kf_error *err);
void sim_port_free(struct sim_port **port);

/*
 * Do all that can be done now: move bytes, run the board, and show on the bus what became of
 * it. Returns 1 if the bus changed, 0, or an error of the bus (the board is then off it).
 */
_must_check_ int sim_port_service(struct sim_port *port, struct sim_bus *bus, int64_t now_us,
				  struct kf_error *err);

/* The bytes that the client wrote and whose rate, on a UART, is not known yet. */
size_t sim_port_unread(const struct sim_port *port);

/* The bytes that the client wrote and the board has not taken. */
size_t sim_port_queued(const struct sim_port *port);

/* The events that make the next service necessary. */
void sim_port_poll(const struct sim_port *port, int64_t now_us, struct pollfd fds[2]);
int64_t sim_port_wake_us(const struct sim_port *port, int64_t now_us);

#endif
