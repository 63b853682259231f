/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A board as the command line describes it: name=value, separated by commas, no spaces around.
 * Everything has a default; kf-sim --help lists the names.
 */
#ifndef SIM_SPEC_H
#define SIM_SPEC_H

#include <limits.h>

#include "board/board.h"
#include "board/can-uuid.h"
#include "sim/fault.h"

struct sim_ids {
	char vendor[5], product[5]; /* four hex digits each; empty: the mode's own */
};

struct sim_spec {
	char mcu[64], serial[KF_NAME_SIZE], port[64];
	enum kf_mode mode;  /* at the start; KF_MODE_NONE: what its flash makes of it */
	struct sim_ids usb; /* while it runs firmware */
	struct sim_ids rom; /* in its bootloader without tty */
	char manufacturer[KF_NAME_SIZE], product[KF_NAME_SIZE]; /* while it runs firmware */
	char boot_manufacturer[KF_NAME_SIZE],
		boot_serial[KF_NAME_SIZE]; /* while it is in Katapult */
	char new_serial[KF_NAME_SIZE];	   /* while it runs firmware that was flashed */

	uint32_t start, flash_bytes; /* 0: the MCU's usual ones */
	uint32_t block_bytes;
	char katapult[64]; /* its version; "none": not installed; "old": one that does not tell */
	char app_name[32], version[KF_NAME_SIZE]; /* the firmware that it comes with */
	char app[PATH_MAX];			  /* instead of that: a raw image */
	char state[PATH_MAX];			  /* flash and mode are kept here between runs */

	unsigned erase_ms, program_us, rtt_us, reenum_ms;
	char loader[16]; /* its bootloader on a serial port: see avr.h and samba.h */
	uint32_t worn;	 /* see flash.h */
	bool real_times; /* of the flash: the chip's own */

	/* The ROM: bytes of a transfer, 0: as the part's; how long it says to wait, 0: as long as
	 * it takes; read protection; how it leaves: "stall", "silent", "stay", else with an answer.
	 */
	unsigned transfer_bytes, poll_ms;
	bool protected, no_drive; /* no_drive: BOOTSEL without its mass storage */
	char rom_leave[8];

	char can[16]; /* the interface of its CAN bus, or, of a bridge, its own */
	uint8_t uuid[KF_CAN_UUID_BYTES];
	unsigned bitrate, late_us; /* of the bus; see can-bus.h */
	char return_net[16];	   /* a bridge's interface once it was flashed; "none" */
	bool net_down;		   /* nobody brings a bridge's interface up when it appears */
	unsigned baud, boot_baud;  /* of the firmware's UART, and of Katapult's */
	char tty[16];		   /* the host's own UART that it is on: ttyAMA0 */
	int prime;		   /* 1, 0; -1: as the MCU's USB is */
	bool uart, merge, rescue, off, bridge;

	char leave_as[KF_NAME_SIZE], leave_port[64];   /* firmware to bootloader */
	char return_as[KF_NAME_SIZE], return_port[64]; /* bootloader to firmware */
	struct sim_faults faults;
};

/* KF_USAGE: names what is wrong. */
_must_check_ int sim_spec_parse(const char *text, struct sim_spec *ret, struct kf_error *err);

/* The address at which Katapult expects the application on mcu, unless start= is given. */
uint32_t sim_spec_default_start(const char *mcu);

/* For --help: one line each. */
extern const char SIM_SPEC_HELP[];

#endif
