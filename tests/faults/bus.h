/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A USB bus of one port in shared memory, in the place of libudev's and of umockdev's: the
 * simulator plugs boards in (sim/bus.h), the process that flashes sees them (usb/devices.h,
 * usb/monitor.h). No process ever holds a lock, so that any may be killed at any time.
 */
#ifndef FAULTS_BUS_H
#define FAULTS_BUS_H

#include "usb/monitor.h"

/* Once, before the first fork. */
void bus_init(void);

/* The board that is plugged in; false: none. */
bool bus_look(struct kf_board *ret);

/* Another number whenever a board comes or goes. */
unsigned bus_generation(void);

#endif
