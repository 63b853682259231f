/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CAN interfaces of the kernel: a bridge's own, which comes and goes with the board, and the socket
 * through which a simulated bus is on an interface, as the wire is on a real one.
 */
#ifndef SIM_VCAN_H
#define SIM_VCAN_H

#include "sim/can-bus.h"

/*
 * Make an interface, and set it up. Where the kernel has no CAN, or we have no right to it, nothing
 * happens: then the interface is in the mocked /sys alone. KF_IO: ip(8) failed.
 */
_must_check_ int sim_vcan_add(const char *name, bool up, struct kf_error *err);
void sim_vcan_remove(const char *name);

/* Set it down, for a fault. */
void sim_vcan_down(const char *name);

/* KF_CONFIG: the kernel has no CAN; KF_NOT_CONNECTED: it has no such interface. */
_must_check_ int sim_vcan_open(const char *name, int *ret, struct kf_error *err);

/*
 * Carry all frames that are due between the bus and fd, any socket whose packets are struct
 * can_frame. A frame is lost if the interface is down.
 */
void sim_vcan_service(int fd, struct sim_can_bus *bus, int64_t now_us);

#endif
