/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For tests of what a chroot may lack: those of package builders have no /dev/pts, or no /proc. */
#ifndef TESTS_UNIT_MACHINE_H
#define TESTS_UNIT_MACHINE_H

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit/test.h"

static inline bool pty_exists(void)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY);
	bool exists = fd >= 0 && grantpt(fd) == 0 && unlockpt(fd) == 0;

	if (fd >= 0)
		close(fd);
	return exists;
}

#define NEED_PTY()                                                                                 \
	do {                                                                                       \
		if (!pty_exists())                                                                 \
			SKIP("no pty can be opened here");                                         \
	} while (0)

#define NEED_PROC()                                                                                \
	do {                                                                                       \
		if (access("/proc/self/fd", F_OK) < 0)                                             \
			SKIP("/proc is not mounted");                                              \
	} while (0)

#endif
