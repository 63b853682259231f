/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The service that runs the host's own MCU: Klipper's Linux process, as Klipper's
 * scripts/klipper-mcu.service starts it. Its program: printer/host-mcu-program.h.
 */
#ifndef KF_PRINTER_HOST_MCU_H
#define KF_PRINTER_HOST_MCU_H

#include <limits.h>

#include "core/error.h"

/* The link to its pty, if nothing else is said (Klipper src/linux/main.c). */
#define KF_HOST_MCU_PATH "/tmp/klipper_host_mcu"

struct kf_host_mcu {
	char unit[KF_NAME_SIZE];
	char program[PATH_MAX - 8]; /* ExecStart's file: an absolute path, room for an ending */
};

/*
 * Find the service klipper*.service that makes the link path to its pty: by -I in its ExecStart,
 * without that KF_HOST_MCU_PATH, unless its program is no firmware. KF_CONFIG: none does, or
 * ExecStart is no path from /. KF_AMBIGUOUS: two units do.
 */
_must_check_ int kf_host_mcu_find(const char *path, struct kf_host_mcu *ret, struct kf_error *err);

/* Hint how the old program comes back (PROGRAM.old), for a new one that does not answer. */
void kf_host_mcu_hint(const char *path, struct kf_error *err);

#endif
