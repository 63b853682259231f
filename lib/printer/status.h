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

enum kf_status_state {
	KF_STATUS_CURRENT,
	KF_STATUS_BEHIND,
	KF_STATUS_AHEAD,
	KF_STATUS_DIFFERS,
	KF_STATUS_INCOMPLETE,	 /* a flash was begun that no later one has verified */
	KF_STATUS_PENDING,	 /* firmware is on its SD card, and the board runs another */
	KF_STATUS_BOOTLOADER,	 /* it waits there for firmware */
	KF_STATUS_NOT_CONNECTED, /* no such device on USB */
	KF_STATUS_FOREIGN,	 /* firmware of others: left alone */
	KF_STATUS_NOT_ASKED,	 /* nobody tells what it runs */
};

struct kf_status {
	enum kf_status_state state;
	char reason[KF_REASON_SIZE]; /* part of a sentence; empty: the state says all */
	unsigned behind, ahead;	     /* commits */
	char other_mcu[64];	     /* that Klippy says it is, where its USB name says another */
	char tree[PATH_MAX];	     /* that it is compared with; empty: none */
	char tree_version[KF_NAME_SIZE];
	/* The running Klippy against the same tree; zeroed without a printer. */
	struct kf_revision host;
	const struct kf_printer *printer; /* borrowed; NULL: none */
};

/*
 * Compare all boards of the inventory; ret has as many. git has until deadline_ms. KF_INTERRUPTED,
 * -ENOMEM; what else goes wrong is a reason of NOT_ASKED.
 */
_must_check_ int kf_status_find(const struct kf_inventory *inventory,
				const struct kf_printers *printers, int64_t deadline_ms,
				struct kf_status *ret, struct kf_error *err);

/* "behind by 12 commits", "not asked: Klipper does not run". */
void kf_status_text(const struct kf_status *status, char *ret, size_t size);

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
