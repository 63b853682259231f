/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The Klippies that a flash disturbs although they hold no port. Nobody holds a CAN bus: each
 * Klippy whose configuration names the board, or any node on the same interface, talks over it. The
 * pty of the host's own MCU is always open in the process of that MCU, so its holder tells nothing:
 * each Klippy counts whose configuration names the pty.
 */
#ifndef KF_FLASH_BUS_USERS_H
#define KF_FLASH_BUS_USERS_H

#include "printer/printer.h"

struct kf_bus_users {
	/* The first ones of list must be stopped for the flash: for a node its own Klippies, for a
	 * bridge all on its bus. */
	size_t held;
	size_t count; /* all that have to be asked whether they print */
	struct kf_holder list[KF_PRINTERS_MAX];
};

/*
 * The Klippies that run and whose configuration names the board or its interface; one whose
 * configuration nobody can read may be one of them, and counts. board is on CAN, or a process.
 */
void kf_bus_users_find(const struct kf_printers *printers, const struct kf_board *board,
		       struct kf_bus_users *ret);

#endif
