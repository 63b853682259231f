/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tells one board from another; kf_registry_identify (core/registry.h) lives here too. */
#ifndef KF_CORE_MATCH_H
#define KF_CORE_MATCH_H

#include "core/registry.h"

/* Is it in a bootloader that has no tty and no name of its own: DFU, BOOTSEL, HID? */
bool kf_board_in_rom(const struct kf_board *board);

/* Has it a serial number of its own now? Not if many boards share it, nor in DFU and BOOTSEL. */
bool kf_board_has_serial(const struct kf_board *board);

/* Its by-id path, or the name that udev would give it where there is no link. */
void kf_board_by_id(const struct kf_board *board, char ret[KF_DEV_SIZE]);

#endif
