/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A board's way into its bootloader and back, seen on the bus: by udev events, under
 * one deadline each. The caller holds the monitor from before the first act, so that
 * no event between act and wait is lost.
 */
#ifndef KF_FLASH_BOOTLOADER_H
#define KF_FLASH_BOOTLOADER_H

#include "usb/monitor.h"

/*
 * Bring a board into a bootloader: at once if it is in one, else by the 1200-baud touch. *ret is
 * the board as it is then: mode Katapult, or DFU, BOOTSEL or HID for a board without Katapult.
 * KF_NO_KATAPULT if it stays Klipper. KF_GONE if it leaves, and nothing or another device comes:
 * the message says which. Katapult under another serial number ends the wait at once.
 */
_must_check_ int kf_bootloader_enter(struct kf_monitor *monitor, const struct kf_board *board,
				     int64_t deadline_ms, struct kf_board *ret,
				     struct kf_error *err);

/* Wait for the bootloader as above, after the caller has sent the board there. */
_must_check_ int kf_bootloader_await(struct kf_monitor *monitor, const struct kf_board *board,
				     int64_t deadline_ms, struct kf_board *ret,
				     struct kf_error *err);

/* Is its port the chip's own USB, not that of a USB-to-serial converter? */
bool kf_bootloader_own_usb(const struct kf_board *board);

/*
 * Wait until the board is back as Klipper, a USB-to-CAN bridge or not. KF_LEFT_IN_BOOTLOADER if it
 * is seen in a bootloader when the deadline passes (*ret says which and where), KF_GONE if it is
 * not seen. KF_UNVERIFIED at once if on its port there is now Klipper under another serial.
 */
_must_check_ int kf_bootloader_return(struct kf_monitor *monitor, const struct kf_board *board,
				      int64_t deadline_ms, struct kf_board *ret,
				      struct kf_error *err);

/*
 * Katapult was written by the chip's own bootloader, which the board leaves now: wait until it is
 * seen as Katapult, or as the Klipper that Katapult has started. KF_UNVERIFIED: neither is seen on
 * its port; KF_LEFT_IN_BOOTLOADER.
 */
_must_check_ int kf_bootloader_installed(struct kf_monitor *monitor, const struct kf_board *board,
					 int64_t deadline_ms, struct kf_board *ret,
					 struct kf_error *err);

/* Fail: the board came up in another bootloader than the wanted one. KF_NO_KATAPULT. */
int kf_bootloader_missing(const struct kf_board *board, const char *wanted, struct kf_error *err);

/*
 * Add to err where a failed attempt has left the board: gone, in a bootloader, or with another
 * device on its port. untouched: nothing was written to it, else that is not known. Waits up to 2 s
 * for a board that is between two modes.
 */
void kf_bootloader_explain(struct kf_monitor *monitor, const struct kf_board *board, bool untouched,
			   struct kf_error *err);

#endif
