/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A CAN bus of one interface, can0, in the place of the kernel's: a socket for each that opens it
 * (link/can-socket.h), which may be killed at any time. Frames go between them and the simulated
 * bus.
 */
#ifndef FAULTS_HUB_H
#define FAULTS_HUB_H

#include <poll.h>

#include "sim/can-bus.h"

#define HUB_SOCKETS 24

struct hub_socket {
	int fd;	    /* -1: none */
	bool ready; /* it has told its filters */
	struct can_filter filters[4];
	size_t count;
};

struct hub {
	int listening;
	struct hub_socket sockets[HUB_SOCKETS];
	struct sim_can_bus bus;
};

/* Those who flash find the hub that was opened last before their fork. */
void hub_open(struct hub *hub);
void hub_close(struct hub *hub);

/* All frames that are due. */
void hub_service(struct hub *hub, int64_t now_us);

/* Set the interface down, which every socket notices, or up again. */
void hub_set_down(struct hub *hub, bool down);

void hub_poll(const struct hub *hub, struct pollfd fds[1 + HUB_SOCKETS]);

#endif
