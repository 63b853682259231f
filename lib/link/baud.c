/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Apart from serial.c, for the kernel's termios and the C library's cannot meet in one file. */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <sys/ioctl.h>

#include "link/baud.h"

int kf_baud_set(int fd, unsigned baud)
{
	struct termios2 t;

	/* qemu's user mode does not know TCGETS2, and says ENOSYS where the kernel says ENOTTY. */
	if (ioctl(fd, TCGETS2, &t) < 0)
		return errno == ENOSYS ? -ENOTTY : -errno;
	/* No input rate of its own: it follows the output's. */
	t.c_cflag &= ~(tcflag_t)(CBAUD | CIBAUD);
	t.c_cflag |= BOTHER;
	t.c_ispeed = t.c_ospeed = baud;
	return ioctl(fd, TCSETS2, &t) < 0 ? -errno : 0;
}
