/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The service that runs the host's own MCU: Klipper's Linux process, as Klipper's
 * scripts/klipper-mcu.service starts it; and whether its program may be replaced. Nothing is
 * changed here.
 */
#ifndef KF_PRINTER_HOST_MCU_H
#define KF_PRINTER_HOST_MCU_H

#include <limits.h>
#include <sys/types.h>

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

/* Hint why a new program does not answer, and how PROGRAM.old comes back, if there is one. */
void kf_host_mcu_hint(const char *path, struct kf_error *err);

struct kf_host_mcu_program {
	struct kf_host_mcu host;
	char folder[PATH_MAX]; /* the program's folder, with a slash at the end */
	bool there;	       /* the program is there */
	/* Owner and mode of the program; if it is not there, those of root, and 0755. */
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/*
 * The program behind the link path. Errors of kf_host_mcu_find; KF_CONFIG also if it is not a file
 * to replace: no Klipper firmware, another user's, a link.
 */
_must_check_ int kf_host_mcu_program(const char *path, struct kf_host_mcu_program *ret,
				     struct kf_error *err);

/*
 * Can its program be replaced, and the new one be asked for its version (path NULL:
 * KF_HOST_MCU_PATH)? Errors as above, and KF_PERMISSION: sudo would ask for a password, or this
 * user may not open the pty; KF_NO_TOOLCHAIN: a program is missing that installs it.
 */
_must_check_ int kf_host_mcu_check(const char *path, struct kf_error *err);

#endif
