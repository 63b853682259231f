/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The transfers of lib/usb/transfer.h to the board of faults/bus.h, in libusb's place: the process
 * that flashes sends each one over a socket to the simulator, which has the bootloader in ROM.
 */
#ifndef FAULTS_TRANSFERS_H
#define FAULTS_TRANSFERS_H

#include "sim/usb.h"

/* Before the fork; then each of the two processes takes its end. */
void transfers_begin(void);
void transfers_take_client(void);
void transfers_take_server(void);

/* After the end of the process that flashed. */
void transfers_end(void);

/* The simulator's end: readable, if there is a transfer. -1: nobody flashes. */
int transfers_fd(void);

/* Answer the transfer that is there, if it is for the device that is on the bus. */
void transfers_run(sim_usb_answer_fn *answer, void *context);

#endif
