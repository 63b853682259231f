/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How each board, and each Klippy that runs, stands to the source tree that it is built from: by
 * what they tell, the notes of the last flash, and git. Nothing is guessed.
 */
#ifndef KF_PRINTER_STATUS_H
#define KF_PRINTER_STATUS_H

#include "build/revision.h"
#include "printer/printer.h"
#include "registry/registry.h"
#include "usb/inventory.h"

struct kf_status {
	struct kf_revision board;
	struct kf_revision host; /* the running Klippy's; zeroed without a printer */
	char other_mcu[64];	 /* that Klippy says it is, where its USB name says another */
	char tree[PATH_MAX];	 /* that both are compared with; empty: none */
	char tree_version[KF_NAME_SIZE];
	const struct kf_printer *printer; /* borrowed; NULL: none */
};

/*
 * Compare all boards of the inventory; ret has as many. git has until deadline_ms. KF_INTERRUPTED,
 * -ENOMEM; what else goes wrong is a reason of NOT_ASKED.
 */
_must_check_ int kf_status_find(const struct kf_inventory *inventory,
				const struct kf_printers *printers, int64_t deadline_ms,
				struct kf_status *ret, struct kf_error *err);

/*
 * Is it the board's printer; or does no printer name the board, and this one cannot be asked for
 * its boards?
 */
bool kf_status_concerns(const struct kf_board *board, const struct kf_printer *printer);

/*
 * The record's "status" member, with the problems of the printers that concern the board; a new
 * reference.
 */
json_t *kf_status_to_json(const struct kf_board *board, const struct kf_printers *printers,
			  const struct kf_status *status);

#endif
