/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Port grabbers: programs that open every new serial port, although a printer's board is not meant
 * for them. ModemManager does not open devices that udev's rules mark (ID_MM_DEVICE_IGNORE). brltty
 * opens USB serial converters, because some Braille displays have the same ids.
 */
#ifndef KF_USB_GRABBERS_H
#define KF_USB_GRABBERS_H

#include "board/board.h"

struct kf_grabber {
	const char *name;      /* of its process, and the beginning of its units' names */
	const char *opens_as;  /* it opens a board as this: "a modem" */
	const char *mark;      /* the udev property that keeps it away; NULL: it wants converters */
	const char *remedy[2]; /* the board's USB vendor stands between */
};

enum { KF_GRABBERS = 2 };
extern const struct kf_grabber kf_grabbers[KF_GRABBERS];

/* The port grabber that the holder is, or NULL. */
const struct kf_grabber *kf_grabber_find(const struct kf_holder *holder);

/* The process of a port grabber; 0: it does not run. */
pid_t kf_grabber_process(const struct kf_grabber *grabber);

/* May it open the port of this board, which is plugged in? */
bool kf_grabber_wants(const struct kf_grabber *grabber, const struct kf_board *board);

#endif
