/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Boards that a printer's configuration names and nobody registered become devices of a registry in
 * memory, as "kf add" would make them: then each tool knows them like registered ones. They are
 * found anew by each tool, whatever a record says, and are never written to devices.json.
 */
#ifndef KF_PRINTER_DESCRIBED_H
#define KF_PRINTER_DESCRIBED_H

#include "printer/printer.h"
#include "registry/registry.h"
#include "usb/devices.h"

/*
 * Add them. now is what is plugged in. The key is the printer's name for the MCU
 * (kf_key_from_name), behind the printer's own where there are several printers or the key is
 * registered. Not described are: what the registry names or excludes, what more than one plugged-in
 * board could be, firmware of others (kf_board_foreign), a BeagleBone's PRU, and a second name that
 * gives the same key.
 *
 * Each device, registered or not, that is a printer's MCU also gets the source tree of that Klippy,
 * if it is one, and belongs to this user or to root: what make runs there must be nobody else's.
 *
 * The registry must not be open for change. -ENOMEM.
 */
_must_check_ int kf_printers_describe(const struct kf_printers *printers,
				      const struct kf_boards *now, struct kf_registry *registry,
				      struct kf_error *err);

/*
 * The same for a tool that has records: looks for printers only where a record (of a JSON array)
 * has a key that is not registered, or one of which the registry does not say what it is built
 * from, or is on CAN, where a Klippy may use its bus. *ret are then the printers, for
 * kf_printers_free. Errors of kf_usb_scan, kf_printers_find.
 */
_must_check_ int kf_printers_describe_records(const json_t *records, struct kf_registry *registry,
					      struct kf_printers *ret, struct kf_error *err);

/* Is there a source tree, and does it belong to this user or to root? */
bool kf_printer_tree_usable(const struct kf_printer *printer);

/* The MCU that board.printer names, and its printer; false: there is none. */
bool kf_printers_mcu(const struct kf_printers *printers, const struct kf_board *board,
		     const struct kf_printer **ret_printer, const struct kf_mcu **ret);

#endif
