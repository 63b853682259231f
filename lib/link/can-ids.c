/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <linux/can.h>
#include <string.h>
#include <unistd.h>

#include <linux/can/raw.h>

#include "link/can-ids.h"
#include "link/can-socket.h"

enum { FIRST = 160, COUNT = 90 };

unsigned kf_can_listeners(FILE *list, const char *interface, uint32_t can_id)
{
	char line[256], device[32];
	unsigned id, mask, count = 0;

	while (fgets(line, sizeof(line), list))
		if (sscanf(line, " %31s %x %x", device, &id, &mask) == 3 &&
		    strcmp(device, interface) == 0 && (mask & CAN_SFF_MASK) == CAN_SFF_MASK &&
		    (id & CAN_SFF_MASK) == can_id)
			count++;
	return count;
}

static unsigned count_listeners(const char *interface, uint32_t can_id)
{
	static const char *const paths[] = { "/proc/net/can/rcvlist_sff",
					     "/proc/net/can/rcvlist_fil" };
	unsigned count = 0;

	for (size_t i = 0; i < KF_ARRAY_SIZE(paths); i++) {
		_cleanup_(kf_fclosep) FILE *list = fopen(paths[i], "re");

		count += list ? kf_can_listeners(list, interface, can_id) : 0;
	}
	return count;
}

/* Listen to a node's answers, and to requests that could take its id away. */
static int listen_to(const char *interface, uint32_t answer_id, int *ret)
{
	const struct can_filter filters[] = {
		{ answer_id, CAN_SFF_MASK | CAN_EFF_FLAG | CAN_RTR_FLAG },
		{ KF_CAN_ADMIN, CAN_SFF_MASK | CAN_EFF_FLAG | CAN_RTR_FLAG },
	};

	return kf_can_socket(interface, filters, KF_ARRAY_SIZE(filters), ret);
}

int kf_can_id_choose(const struct kf_can *bus, const uint8_t uuid[KF_CAN_UUID_BYTES],
		     enum kf_can_application application, int *ret_fd, uint8_t *ret_id)
{
	/* Two runs that meet at an id go on with different steps; each is coprime to COUNT. */
	static const uint8_t steps[] = { 1, 7, 11, 13, 17, 19, 23, 29 };
	unsigned half = application == KF_CAN_KLIPPER ? COUNT / 2 : 0;
	unsigned at = ((unsigned)(uuid[4] << 8 | uuid[5]) + half) % COUNT;
	unsigned step = steps[(unsigned)getpid() % KF_ARRAY_SIZE(steps)];

	for (unsigned i = 0; i < COUNT; i++, at = (at + step) % COUNT) {
		_cleanup_(kf_closep) int fd = -1;
		unsigned id = FIRST + at;
		int r;

		if (bus->used[id / 8] & 1 << id % 8)
			continue;
		r = listen_to(bus->interface, 0x101 + 2 * id, &fd);
		if (r < 0)
			return r;
		/* Our own socket is one of the listeners. */
		if (count_listeners(bus->interface, 0x101 + 2 * id) > 1)
			continue;
		*ret_fd = TAKE_FD(fd);
		*ret_id = (uint8_t)id;
		return 0;
	}
	return -EADDRINUSE;
}
