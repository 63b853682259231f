/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All boards of this machine and of its printers, each by any name that a person has for it. */
#ifndef KF_PRINTER_LOOK_H
#define KF_PRINTER_LOOK_H

#include "printer/printer.h"
#include "registry/registry.h"
#include "usb/inventory.h"

/*
 * Fill them, all zeroed before: what is registered, what printers describe, and what is plugged in,
 * joined. The caller frees all three, also on failure. Errors as kf_registry_load, kf_usb_scan and
 * kf_printers_find.
 */
_must_check_ int kf_look(struct kf_registry *registry, struct kf_inventory *inventory,
			 struct kf_printers *printers, struct kf_error *err);

/*
 * Is this the board's name: its key, its printer's name for it, the key that this would give, its
 * by-id name, tty or USB port?
 */
bool kf_look_is(const struct kf_board *board, const char *name);

/*
 * A key that was not typed to its end becomes the whole one: *ret_cut. *name is then the
 * registry's. KF_NOT_REGISTERED: no board has the name; KF_USAGE as kf_prefix_find.
 */
_must_check_ int kf_look_name(const struct kf_inventory *inventory, const char **name,
			      bool *ret_cut, struct kf_error *err);

#endif
