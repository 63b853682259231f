/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A board on a UART: its port has the same name in Klipper and in Katapult, so only the board
 * itself tells which of them runs. Each may have a baud of its own (Klipper's SERIAL_BAUD,
 * Katapult's SERIAL_BAUD).
 */
#ifndef KF_KATAPULT_UART_H
#define KF_KATAPULT_UART_H

#include "firmware/dictionary.h"
#include "katapult/session.h"

struct kf_uart_bauds {
	unsigned klipper, katapult;
};

/*
 * Ask which program runs. The order matters (measured on both): Katapult first, because Klipper's
 * identify wedges a Katapult that waits; it costs Klipper one answer and the next message, which a
 * 7e makes up for. k->deadline_ms and k->link are set by the caller. KF_MODE_KATAPULT: k is
 * connected; KF_MODE_KLIPPER: dictionary is filled, and the link is at Klipper's baud. Errors:
 * KF_PROTOCOL (a Katapult that is wedged), KF_TIMEOUT (neither answers), and kf_link_failed's.
 */
_must_check_ int kf_uart_probe(struct kf_katapult *k, const struct kf_uart_bauds *bauds,
			       enum kf_mode *ret, struct kf_dictionary *dictionary,
			       struct kf_error *err);

/*
 * Ask Klipper to leave for its bootloader, then connect to that. Klipper takes the request at any
 * time, but not on an AVR (Klipper src/generic/serial_irq.c). Errors as kf_katapult_connect.
 */
_must_check_ int kf_uart_enter(struct kf_katapult *k, const struct kf_uart_bauds *bauds,
			       struct kf_error *err);

#endif
