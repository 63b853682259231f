/* SPDX-License-Identifier: GPL-3.0-or-later */
/* May the program of the host's own MCU be replaced? Nothing is changed here. */
#ifndef KF_PRINTER_HOST_MCU_PROGRAM_H
#define KF_PRINTER_HOST_MCU_PROGRAM_H

#include <sys/types.h>

#include "printer/host-mcu.h"

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
