/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A board is not on its USB port, another device is: perhaps the same board under another serial
 * number or as a USB-to-CAN bridge. That is reported, and the device never taken for the board.
 */
#ifndef KF_USB_OCCUPANT_H
#define KF_USB_OCCUPANT_H

#include "registry/registry.h"

/* Find the device on that USB port, board or not. False: none, or it is not known. */
bool kf_occupant_find(const char *port, struct kf_board *ret);

/*
 * Does now stay on its port, so that it is useless to wait for another device there? Klipper,
 * Katapult (it has no idle timeout) and a USB-to-CAN bridge do.
 */
bool kf_occupant_stays(const struct kf_board *now);

/*
 * "there is now Katapult (stm32h723xx) with serial number 4B00, not 2900". was: the board that was
 * there, with what is known of usb.serial; now: what is there, with a key if it is registered.
 */
void kf_occupant_describe(const struct kf_board *was, const struct kf_board *now, char *ret,
			  size_t size);

/*
 * The remedy if now is the board that was: "if it is the same board: kf set ..."; empty where it
 * cannot be that board, or no setting would help. was has key, mcu, usb.port, and in by_id its name
 * or its pattern.
 */
void kf_occupant_remedy(const struct kf_board *was, const struct kf_board *now, char *ret,
			size_t size);

/*
 * A registered board that is not connected: what is on the port where it was last? False if nothing
 * is known or there. *ret_told: "on USB port 1-1.2, where it was, there is now ..."; *ret_hint:
 * what to do; empty: no more than about any board that is not connected.
 */
bool kf_occupant_instead(const struct kf_registry *registry, const struct kf_device *device,
			 char ret_told[KF_REASON_SIZE], char ret_hint[KF_REASON_SIZE]);

#endif
