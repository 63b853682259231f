/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One board: what runs on it, when it leaves the bus and as what it comes back. Pure: time
 * is passed in; who shows it to clients (bus.h) compares generation and acts.
 *
 * Resets: the 1200-baud touch and COMPLETE are followed by a re-enumeration of reenum_ms.
 * At power-up Katapult starts the application if its first word is neither 0 nor 0xffffffff;
 * COMPLETE starts it in any case. One that is broken (firmware.h) hangs, off the bus. The way back
 * is a double click on the reset button, which ends in Katapult: sim_board_plug() with it, or
 * "rescue", which has somebody do it at once. Without Katapult the application begins where the
 * flash does, or at spec.start, behind a bootloader of which nothing else is simulated.
 *
 * On a CAN bus, who runs the bus (can-bus.h) moves the frames of board->can.
 */
#ifndef SIM_BOARD_H
#define SIM_BOARD_H

#include "sim/avr.h"
#include "sim/can-node.h"
#include "sim/dfu.h"
#include "sim/firmware.h"
#include "sim/katapult.h"
#include "sim/klipper.h"
#include "sim/link.h"
#include "sim/picoboot.h"
#include "sim/samba.h"
#include "sim/spec.h"

struct sim_board {
	struct sim_spec spec;
	struct sim_flash flash;
	struct sim_katapult katapult;
	struct sim_klipper klipper;
	struct sim_firmware firmware;
	struct sim_dfu dfu;
	struct sim_picoboot picoboot;
	struct sim_avr avr;
	struct sim_samba samba;
	struct sim_usb_device *rom; /* the bootloader that runs, if libusb's programs can open it */
	int64_t transfer_us;	    /* when a late transfer with it is due; SIM_NEVER */
	bool protected;		    /* against reading, by that bootloader */
	struct sim_link link;	    /* USB or UART */
	struct sim_can_node can;    /* its place on a CAN bus, if spec.can names one */

	enum kf_mode mode;   /* on the bus as; KF_MODE_NONE: not */
	unsigned generation; /* counts appearances and disappearances on USB */
	char port[64], manufacturer[KF_NAME_SIZE];
	bool plain;	/* in mode "other": a device without a serial port */
	bool no_bridge; /* its firmware is a bridge, and it shows none */
	bool returned;	/* it has left a bootloader since the start */

	enum kf_mode next; /* what comes at appear_us; KF_MODE_NONE: nothing, ever */
	int64_t appear_us; /* SIM_NEVER: it is on the bus */
	char news[256];	   /* for -v: what last happened; taken by emptying it */
};

/* Has it a USB device (or a UART)? A node on a CAN bus has none, unless it is the bridge. */
bool sim_board_has_usb(const struct sim_board *board);

/* Does its bootloader on a serial port run? */
bool sim_board_in_loader(const struct sim_board *board);

/* Does it run the firmware of a USB-to-CAN bridge? */
bool sim_board_bridges(const struct sim_board *board);

/* Plugged in and enumerated. Big: do not put it on the stack. */
_must_check_ int sim_board_init(struct sim_board *board, const struct sim_spec *spec,
				struct kf_error *err);
void sim_board_free(struct sim_board *board);

/* All that happens by now without the client. */
void sim_board_run(struct sim_board *board, int64_t now_us);

/* When to run it next, if the client does nothing; SIM_NEVER. */
int64_t sim_board_wake_us(const struct sim_board *board, int64_t now_us);

/*
 * How much of what the client wrote is its first transfer: a pty merges writes, and our
 * client (and flashtool) writes one frame at a time. 0: a frame whose rest may still come.
 */
size_t sim_board_split(const struct sim_board *board, const uint8_t *data, size_t len);

/* One transfer from the client. False: the driver's queue is full, try again after a run. */
_must_check_ bool sim_board_write(struct sim_board *board, const uint8_t *data, size_t len,
				  int64_t now_us);

/* A transfer with the bootloader in ROM, board->rom. NAK: ask again after a run. */
enum sim_usb_answer sim_board_transfer(struct sim_board *board, struct sim_usb_transfer *t,
				       int64_t now_us);

/* The client has opened the port, or closed it with the line at that speed. */
void sim_board_open(struct sim_board *board, int64_t now_us);
void sim_board_close(struct sim_board *board, bool at_1200, int64_t now_us);

/*
 * By hand: pull the cable; plug it in where it was (does nothing while it is in), with a button
 * or without. It is on the bus after the next run.
 */
void sim_board_unplug(struct sim_board *board);
enum sim_button {
	SIM_BUTTON_NONE,
	SIM_BUTTON_RESET, /* a double click: Katapult */
	SIM_BUTTON_BOOT,  /* held: the ROM */
};
void sim_board_plug(struct sim_board *board, enum sim_button button, int64_t now_us);

#endif
