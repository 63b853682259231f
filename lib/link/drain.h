/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A second process that has a port open, so that neither our close nor our death is the last close.
 *
 * The last close of a USB port cancels what the board has not taken (Linux drivers/usb/class/
 * cdc-acm.c, acm_port_shutdown). It first waits for the board, for up to 30 s (drivers/tty/
 * tty_port.c, tty_port_close_start), but not in a process that was killed: there it cuts a frame
 * after any packet of 64 bytes, and half a frame wedges Katapult until its next reset. Discarding
 * first (TCOFLUSH) does not spare that wait: Linux 6.1's cdc-acm has no flush_buffer.
 */
#ifndef KF_LINK_DRAIN_H
#define KF_LINK_DRAIN_H

#include <sys/types.h>

#include "core/error.h"

struct kf_drain {
	int port;     /* closed by kf_drain_endp; -1: none */
	bool discard; /* set by the caller: drop bytes that the board has not read */
	pid_t pid;    /* 0: none */
	int link;     /* its end of file tells that process that we are gone */
};

#define KF_DRAIN_NONE                                                                              \
	{                                                                                          \
		.port = -1, .link = -1                                                             \
	}

/*
 * Fork a process that outlives us: no signal but SIGKILL ends it, it has left our process group and
 * our output. *ret is its end, or ours, of a socket of packets; its end of file tells that the
 * other is gone. Returns its pid here, 0 there, or a negative errno.
 */
_must_check_ pid_t kf_drain_fork(int *ret, struct kf_error *err);

/*
 * Start it for *port, which is *ret's from then on. When we are gone, that process gives the board
 * 5 s to take the rest, then ends; so long the port's locks (flock, TIOCEXCL) last. Our stop
 * signals do not end it, nor does what is sent to our process group. Error: *port stays the
 * caller's.
 */
_must_check_ int kf_drain_start(int *port, struct kf_drain *ret, struct kf_error *err);

/*
 * Close the port, and wait until the rest has gone out, or 5 s; with discard nothing is waited for.
 * The port and its locks are then free. After a stop signal this takes at most half a second, and
 * the other process may still send the rest.
 */
void kf_drain_endp(struct kf_drain *drain);

#endif
