/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All boards, connected or registered: each with its key, the process that holds its port, and an
 * error if there is one. Two connected boards that fit one key both have the error.
 */
#ifndef KF_USB_INVENTORY_H
#define KF_USB_INVENTORY_H

#include "registry/registry.h"
#include "usb/monitor.h"

struct kf_inventory {
	const struct kf_registry *registry;
	const char *key; /* only this board, or NULL */
	bool absent;	 /* also the registered boards that are not connected */

	struct kf_boards boards;
	struct kf_error *errors; /* one for each of boards; code KF_OK: nothing is wrong */
	size_t found;		 /* all that is plugged in, wanted or not */
};

/* Frees boards and errors; the registry is the caller's. */
void kf_inventory_free(struct kf_inventory *inventory);

/*
 * Look once, into a fresh inventory; now is what is plugged in, if that has just been looked up.
 * Errors as kf_usb_scan; a board's own are in errors.
 */
_must_check_ int kf_inventory_fill(struct kf_inventory *inventory, const struct kf_boards *now,
				   struct kf_error *err);

/* Add a board that was found elsewhere, without an error. -ENOMEM. */
_must_check_ int kf_inventory_add(struct kf_inventory *inventory, const struct kf_board *board);

/* For kf_monitor_wait(): is there a board that the inventory (arg) takes? */
bool kf_inventory_wants(const struct kf_boards *now, void *arg, struct kf_board *ret);

/*
 * Follow one event. Returns 1 with the board that came, or that left (not connected, no
 * mode, else as it was), 0 if it was no news, or an error.
 */
_must_check_ int kf_inventory_apply(struct kf_inventory *inventory, const struct kf_event *event,
				    struct kf_board *ret, struct kf_error *ret_problem,
				    struct kf_error *err);

#endif
