/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A serial port with deadlines. A pty stands in for one in tests: what a pty cannot
 * do (TIOCEXCL, modem lines) is tolerated when it says ENOTTY or EINVAL.
 */
#ifndef KF_LINK_SERIAL_H
#define KF_LINK_SERIAL_H

#include <sys/types.h>

#include "core/error.h"

/*
 * Take a port for as long as the descriptor *ret is open: flock(2), which Klipper's host takes
 * (pyserial's exclusive=True, klippy/serialhdl.py), and which root respects as well. Other
 * programs may open the port meanwhile; one that takes this lock itself is refused. The port is
 * opened for it, which raises DTR. KF_BUSY, KF_PERMISSION, KF_GONE; KF_CONFIG: it is no port.
 */
_must_check_ int kf_serial_lock(const char *path, int *ret, struct kf_error *err);

/* May this user open it? It is not opened. KF_PERMISSION; the hint names the group. */
_must_check_ int kf_serial_check_right(const char *path, struct kf_error *err);

/*
 * Does path lead to the pty of a host's own MCU? That makes a link to its pty, and lets the group
 * read it (Klipper src/linux/console.c). It leaves the link when it ends: then the pty is gone, or
 * a terminal has its number by now, which is another user's or which no group may read.
 */
bool kf_pty_of_process(const char *path);

/*
 * Open path raw, 8N1, non-blocking, exclusive (TIOCEXCL, and flock(2) as Klipper's host
 * does), with nothing pending in either direction. Any baud: a UART's, for a USB port
 * means none. KF_BUSY, KF_PERMISSION, KF_GONE (no such device), KF_CONFIG (not a serial
 * port) say why not. kf_serial_closep() ends it.
 */
_must_check_ int kf_serial_open(const char *path, unsigned baud, int *ret, struct kf_error *err);

/*
 * Close *fd, unless it is negative, and set it to -1. What the board has not taken is discarded:
 * close(2) alone would wait for it for 30 s (drain.h). The port is nobody's own any more: the
 * kernel would keep TIOCEXCL for as long as a program that came before us has it open.
 */
void kf_serial_closep(int *fd);

/*
 * Read what there is, at least one byte, at most size. Returns the count, or
 * -ETIMEDOUT, -ENODEV (hung up: the board left), -EINTR (stop signal), -errno.
 */
_must_check_ ssize_t kf_serial_read(int fd, void *buf, size_t size, int64_t deadline_ms);

/*
 * Write all of it, in one write(2) when the port takes it (over USB one write is one
 * transfer, and Katapult wants one frame a transfer). Returns 0 or as above. A stop
 * signal is heeded before the first byte only: -EINTR means that nothing was written.
 */
_must_check_ int kf_serial_write(int fd, const void *buf, size_t len, int64_t deadline_ms);

/*
 * Ask the firmware behind path to leave for its bootloader: DTR on, 1200 baud, DTR
 * off, close (Klipper docs/Bootloader_Entry.md). The port then disappears: that, not
 * this function's 0, says that it did. Refused (KF_BUSY) while another program has the port.
 */
_must_check_ int kf_serial_touch_1200(const char *path, struct kf_error *err);

#endif
