/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The methods avrdude and bossac: the programs for the bootloaders of AVR and of Atmel's SAM, with
 * the arguments that a tree's make flash gives them (src/avr/Makefile, src/atsam/Makefile,
 * src/atsamd/Makefile and scripts/flash_usb.py of Klipper and Kalico). What the program has written
 * it reads back into a file, which is compared here.
 */
#ifndef KF_FLASH_PROGRAMMER_H
#define KF_FLASH_PROGRAMMER_H

#include "flash/attempt.h"
#include "usb/monitor.h"

/*
 * From the firmware into the bootloader, write, read back, start the firmware. Sets the results in
 * a. The monitor is open from before.
 *
 * Nothing is written: KF_NO_KATAPULT (it stays in its firmware), KF_GONE (no bootloader comes),
 * KF_WRONG_OFFSET, KF_BUSY, KF_PERMISSION, KF_IO.
 * Something may be written: KF_FLASH_FAILED with the program's log, KF_VERIFY_FAILED, KF_TIMEOUT,
 * KF_INTERRUPTED.
 */
_must_check_ int kf_programmer_flash(struct kf_attempt *a, enum kf_method method,
				     struct kf_monitor *monitor, struct kf_error *err);

/*
 * Wait until there is Klipper on the USB port of a board that was in its bootloader from the
 * beginning, where it shows no serial number. KF_GONE.
 */
_must_check_ int kf_programmer_return(struct kf_monitor *monitor, const struct kf_board *board,
				      int64_t deadline_ms, struct kf_board *ret,
				      struct kf_error *err);

#endif
