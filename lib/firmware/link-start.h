/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For which address a .bin was linked: the file does not say it, but its code does. */
#ifndef KF_FIRMWARE_LINK_START_H
#define KF_FIRMWARE_LINK_START_H

#include "core/base.h"

/*
 * Where does the first byte of Klipper's or Kalico's .bin for this MCU go? Its vector table names
 * the addresses of two functions, and what these begin with is known (Klipper and Kalico
 * src/generic/armcm_boot.c): ResetHandler with "cpsid i" since Klipper's commit 3f07b16b3 of March
 * 2021, and DefaultHandler, which has the NMI, is one "b ." So the file starts where both are at
 * their places in it. The linker may put them anywhere in the code.
 *
 * False: no start fits, or several do; or the chip is not known, or has no such table (AVR, Linux).
 */
bool kf_link_start(const uint8_t *data, size_t len, const char *mcu, uint32_t *ret);

#endif
