/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/port.h"
#include "sim/uart.h"

#define US_PER_S 1000000
#define REST_US	 5000

int64_t sim_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

int sim_port_new(const struct sim_spec *spec, struct sim_port **ret, struct kf_error *err)
{
	struct sim_port *port = calloc(1, sizeof(*port));
	int r;

	if (!port)
		return kf_fail_sys(err, ENOMEM, "a board");
	port->pty = (struct sim_pty)SIM_PTY_CLOSED;
	r = sim_board_init(&port->board, spec, err);
	if (r < 0) {
		kf_error_prefix(err, "%s", spec->port);
		sim_port_free(&port);
		return r;
	}
	*ret = port;
	return 0;
}

void sim_port_free(struct sim_port **port)
{
	if (!*port)
		return;
	sim_pty_close(&(*port)->pty);
	sim_board_free(&(*port)->board);
	free(*port);
	*port = NULL;
}

/* Turn what was read into transfers. */
static void push(struct sim_port *port, int64_t now_us)
{
	size_t n;

	while (port->in_len > 0) {
		n = sim_board_split(&port->board, port->in, port->in_len);
		if (n == 0 && port->rest_deadline_us == 0)
			port->rest_deadline_us = now_us + REST_US;
		if (n == 0 && now_us < port->rest_deadline_us)
			return;
		if (n == 0)
			n = port->in_len < SIM_TRANSFER_MAX ? port->in_len : SIM_TRANSFER_MAX;
		if (!sim_board_write(&port->board, port->in, n, now_us))
			return;
		port->rest_deadline_us = 0;
		port->in_len -= n;
		memmove(port->in, port->in + n, port->in_len);
	}
}

static bool pull(struct sim_port *port)
{
	size_t room = sizeof(port->in) - port->in_len;
	ssize_t n = room ? sim_pty_read(&port->pty, port->in + port->in_len, room) : 0;

	if (n <= 0)
		return false;
	/* Read after the bytes: a client sets another rate once tcdrain(3) has told it that they
	 * are read, and what it writes then is sent at that rate. */
	if (port->board.spec.uart)
		port->board.link.host_baud = sim_uart_baud(port->pty.master);
	port->in_len += (size_t)n;
	return true;
}

static void deliver(struct sim_port *port, int64_t now_us)
{
	struct sim_link *link = &port->board.link;
	size_t len = sim_link_readable(link, now_us);
	ssize_t n = len && port->pty.open ? sim_pty_write(&port->pty, link->in, len) : 0;

	if (n > 0)
		sim_link_drop(link, (size_t)n);
}

/* The last close: what the driver has not sent is cancelled, and so is what it had no room for. */
static void close_port(struct sim_port *port, bool at_1200, int64_t now_us)
{
	do
		port->in_len = 0;
	while (pull(port));
	port->rest_deadline_us = 0;
	sim_board_close(&port->board, at_1200, now_us);
}

static void talk(struct sim_port *port, int64_t now_us)
{
	enum sim_pty_event event = sim_pty_next(&port->pty);

	if (event == SIM_PTY_OPENED)
		sim_board_open(&port->board, now_us);
	if (event == SIM_PTY_CLOSED_1200 || event == SIM_PTY_CLOSED_PLAIN)
		close_port(port, event == SIM_PTY_CLOSED_1200, now_us);
	if (port->board.spec.uart)
		port->board.link.host_baud = sim_uart_baud(port->pty.master);
	do {
		push(port, now_us);
		sim_board_run(&port->board, now_us);
	} while (pull(port));
	deliver(port, now_us);
}

/*
 * The time is taken anew: a client that has waited as long as a ROM told it may ask while other
 * boards are served.
 */
static enum sim_usb_answer answer(void *context, struct sim_usb_transfer *t)
{
	return sim_board_transfer(context, t, sim_now_us());
}

static int show(struct sim_port *port, struct sim_bus *bus, struct kf_error *err)
{
	struct sim_identity id;
	int r = 0;

	port->shown = port->board.generation;
	port->in_len = 0;
	port->rest_deadline_us = 0;
	/* First the name: the pty's number is free once it is closed, and may be another test's. */
	sim_bus_remove(bus, &port->node);
	sim_pty_close(&port->pty);
	if (port->board.mode == KF_MODE_NONE || !sim_board_has_usb(&port->board))
		return 1;
	sim_identity_of(&port->board, &id);
	if (id.tty)
		r = sim_pty_open(&port->pty, err);
	if (r == 0)
		r = sim_bus_add(bus, &id, port->pty.slave, &port->node, err);
	return r < 0 ? r : 1;
}

int sim_port_service(struct sim_port *port, struct sim_bus *bus, int64_t now_us,
		     struct kf_error *err)
{
	sim_bus_run(&port->node, answer, &port->board);
	if (port->pty.master >= 0)
		talk(port, now_us);
	else
		sim_board_run(&port->board, now_us);
	if (port->shown != port->board.generation)
		return show(port, bus, err);
	return 0;
}

size_t sim_port_unread(const struct sim_port *port)
{
	return sim_pty_readable(&port->pty) + port->in_len;
}

size_t sim_port_queued(const struct sim_port *port)
{
	return sim_port_unread(port) + sim_link_queued(&port->board.link);
}

void sim_port_poll(const struct sim_port *port, int64_t now_us, struct pollfd fds[2])
{
	sim_pty_poll(&port->pty,
		     port->in_len<sizeof(port->in), sim_link_readable(&port->board.link, now_us)> 0,
		     fds);
	/* A device without a tty has no pty. */
	if (sim_bus_fd(&port->node) >= 0)
		fds[0] = (struct pollfd){ sim_bus_fd(&port->node), POLLIN, 0 };
}

int64_t sim_port_wake_us(const struct sim_port *port, int64_t now_us)
{
	int64_t wake_us = sim_board_wake_us(&port->board, now_us);

	if (port->rest_deadline_us > now_us && port->rest_deadline_us < wake_us)
		wake_us = port->rest_deadline_us;
	return wake_us;
}
