/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A row of functions for each wire: they ask which program runs on the board, send the board into
 * its bootloader, open a link to that, and wait until the board is back. The code that flashes or
 * reads a board calls the row and knows no wire.
 *
 *   usb     its own USB (wire-usb.c): it re-enumerates on its USB port
 *   bridge  the same, but its firmware is a USB-to-CAN bridge: that is asked and entered over the
 *           CAN bus that it makes, and is a USB device in its bootloader (wire-can.c)
 *   can     a node on CAN (wire-can.c): nothing of it shows but its answers
 *   uart    behind a UART or a USB-to-serial chip (wire-uart.c): likewise
 *   process the host's own MCU (wire-process.c): it has no bootloader, so enter and open_katapult
 * are NULL, and no method that needs them is chosen
 */
#ifndef KF_FLASH_WIRE_H
#define KF_FLASH_WIRE_H

#include "firmware/dictionary.h"
#include "katapult/session.h"
#include "usb/monitor.h"

struct kf_wire_row {
	/* Ask which program runs now: *ret is the board with its mode, and with the version if that
	 * is Klipper. Nothing is sent that would wedge the board. KF_TIMEOUT, KF_NOT_CONNECTED:
	 * nothing answers; KF_BUSY, KF_CAN_BUS ... : its wire cannot be used. */
	int (*ask)(const struct kf_board *board, int64_t within_ms, struct kf_board *ret,
		   struct kf_error *err);
	/* Bring the board from its firmware into its bootloader: *ret is the board there. Errors of
	 * kf_bootloader_enter. */
	int (*enter)(struct kf_monitor *monitor, const struct kf_board *board, int64_t deadline_ms,
		     struct kf_board *ret, struct kf_error *err);
	/* For kf_klipper_identify. Errors of lib/link. */
	int (*open_klipper)(const struct kf_board *board, struct kf_link *ret,
			    struct kf_error *err);
	/* For kf_katapult_connect: the board is in Katapult. Errors of lib/link. */
	int (*open_katapult)(const struct kf_board *board, struct kf_link *ret,
			     struct kf_error *err);
	/* Is the Katapult that answered this board's? NULL: the wire leaves no doubt. */
	int (*check)(struct kf_katapult *k, const struct kf_board *board, struct kf_error *err);
	/* Wait until the board is back in its firmware. *ret is the board then, with its version if
	 * that was asked on the way. Errors of kf_bootloader_return. */
	int (*come_back)(struct kf_monitor *monitor, const struct kf_board *board,
			 int64_t deadline_ms, struct kf_board *ret, struct kf_error *err);
};

/* The row of a board as it is now. Never NULL. */
const struct kf_wire_row *kf_wire_row(const struct kf_board *board);

/* Is it an AVR behind a UART? Its port resets it, and it has no Katapult. */
bool kf_wire_is_avr(const struct kf_board *board);

/* Is it on a UART: this machine's own, or that of a USB-to-serial chip? */
bool kf_wire_is_uart(const struct kf_board *board);

/*
 * Say in err that Katapult did not answer on *link. was: the board as it was before it was sent
 * into Katapult. KF_NO_KATAPULT, KF_NOT_CONNECTED, or what kf_link_failed says.
 */
int kf_wire_silent(struct kf_link *link, const struct kf_board *was, int r, struct kf_error *err);

/*
 * Get the version of a board that is back: ask, unless it was learned on the way back. *ret is the
 * board with the version, and may be board itself. KF_UNVERIFIED: the board does not tell it;
 * KF_INTERRUPTED.
 */
int kf_wire_version(const struct kf_board *board, int64_t within_ms, struct kf_board *ret,
		    struct kf_error *err);

/* Ask Klipper for its dictionary until the deadline. */
_must_check_ int kf_wire_dictionary(const struct kf_board *board, int64_t deadline_ms,
				    struct kf_dictionary *ret, struct kf_error *err);

/* Ask Klipper for its version until the deadline; *ret is the board with mode and version. */
int kf_wire_identify(const struct kf_board *board, int64_t deadline_ms, struct kf_board *ret,
		     struct kf_error *err);

/* The ask of a row for a wire on which only Klipper answers. */
int kf_wire_ask_klipper(const struct kf_board *board, int64_t within_ms, struct kf_board *ret,
			struct kf_error *err);

extern const struct kf_wire_row kf_wire_usb, kf_wire_bridge, kf_wire_can, kf_wire_uart,
	kf_wire_process;

/* The come_back of the USB row. A bridge comes back over USB, too. */
int kf_wire_usb_come_back(struct kf_monitor *monitor, const struct kf_board *board,
			  int64_t deadline_ms, struct kf_board *ret, struct kf_error *err);

/* A bridge is back on USB: wait until its interface can be used. wire-can.c. */
int kf_wire_await_interface(const struct kf_board *board, int64_t deadline_ms, struct kf_board *ret,
			    struct kf_error *err);

#endif
