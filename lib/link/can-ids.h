/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which node id is free. An id in use may belong to another printer's running Klipper, which shuts
 * down when its id is given away (Klipper src/generic/canserial.c, can_id_conflict), or to a
 * Katapult that another program is writing to, which then stays wedged.
 *
 * Klippy counts its ids from 4 (klippy/extras/canbus_ids.py), flashtool.py from 128. Programs on
 * this host show the ids that they listen to in /proc/net/can; what nodes on the bus use was seen
 * in frames.
 */
#ifndef KF_LINK_CAN_IDS_H
#define KF_LINK_CAN_IDS_H

#include "link/can.h"

/*
 * Choose an id, and open a socket that takes the node's answers (and the requests to all nodes):
 * from then on other programs of ours see that the id is taken. A node gets other ids in Klipper
 * than in Katapult: what is meant for one never comes to the other. -EADDRINUSE: none is free;
 * -errno.
 */
_must_check_ int kf_can_id_choose(const struct kf_can *bus, const uint8_t uuid[KF_CAN_UUID_BYTES],
				  enum kf_can_application application, int *ret_fd,
				  uint8_t *ret_id);

/* Count the sockets that listen to this id alone. list: /proc/net/can/rcvlist_sff or rcvlist_fil.
 */
unsigned kf_can_listeners(FILE *list, const char *interface, uint32_t can_id);

#endif
