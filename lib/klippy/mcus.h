/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The MCUs of a running Klippy: which firmware each of them told it when it connected
 * (Klipper docs/Status_Reference.md, configfile and mcu).
 */
#ifndef KF_KLIPPY_MCUS_H
#define KF_KLIPPY_MCUS_H

#include "board/board.h"
#include "klippy/klippy.h"

/*
 * The version that klippy's own socket names for the board whose port is its MCU's serial:.
 * KF_PRINTER_UNKNOWN: it has no socket, does not answer, or has no such MCU connected;
 * KF_INTERRUPTED.
 */
_must_check_ int kf_klippy_version(const struct kf_klippy *klippy, const struct kf_board *board,
				   int64_t deadline_ms, char ret[KF_NAME_SIZE],
				   struct kf_error *err);

/* Is the board's port the serial: of an MCU in these settings (kf_klippy_settings)? */
bool kf_klippy_has_mcu(json_t *settings, const struct kf_board *board);

/*
 * Does each MCU in these settings that has a serial: name a link of udev's that is there, below
 * /dev/serial/by-id or by-path? Such a name means the same port for all; /dev/ttyACM0 may be
 * another one in a container.
 */
bool kf_klippy_links_only(json_t *settings);

#endif
