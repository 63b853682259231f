/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The service that runs the host's own MCU: Klipper's Linux process, as Klipper's
 * scripts/klipper-mcu.service starts it; and may its program be replaced? Nothing is changed here.
 */
#ifndef KF_PRINTER_HOST_MCU_H
#define KF_PRINTER_HOST_MCU_H

#include <limits.h>
#include <sys/types.h>

#include "core/error.h"

struct kf_host_mcu {
	char unit[KF_NAME_SIZE];
	char program[PATH_MAX - 8]; /* ExecStart's file: an absolute path, room for an ending */
	char folder[PATH_MAX];	    /* its folder, with a slash at the end */
	bool there;		    /* the program is there */
	/* Those of the program; of root, with mode 0755, if it is not there. */
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/*
 * Find the service klipper*.service that makes the link path to its pty: by -I in its ExecStart,
 * without that /tmp/klipper_host_mcu (Klipper src/linux/main.c). KF_CONFIG: none does, or its
 * program is not a file to replace: no Klipper firmware, another user's, a link. KF_AMBIGUOUS: two
 * units do.
 */
_must_check_ int kf_host_mcu_find(const char *path, struct kf_host_mcu *ret, struct kf_error *err);

/*
 * Can its program be replaced, and the new one be asked for its version (path NULL:
 * /tmp/klipper_host_mcu)? Errors as above, and KF_PERMISSION: sudo would ask for a password, or
 * this user may not open the pty; KF_NO_TOOLCHAIN: a program is missing that installs it.
 */
_must_check_ int kf_host_mcu_check(const char *path, struct kf_error *err);

/* Hint how the old program comes back (PROGRAM.old), for a new one that does not answer. */
void kf_host_mcu_hint(const char *path, struct kf_error *err);

#endif
