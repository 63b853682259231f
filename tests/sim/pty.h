/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pty behind a tty device: its master is ours, its slave is what clients open. We
 * never keep the slave open, so no /proc/PID/fd of ours shows it, and the last close of
 * a client is seen as a hang-up. Opens and closes come through inotify, since a hung-up
 * master cannot be polled for its end.
 */
#ifndef SIM_PTY_H
#define SIM_PTY_H

#include <poll.h>
#include <sys/types.h>

#include "core/error.h"

struct sim_pty {
	int master, watch; /* -1: closed */
	bool open;	   /* a client has it */
	bool owed;	   /* it was seen to be open before inotify told */
	char slave[64];
	dev_t device; /* the slave's number; 0: closed */
};

#define SIM_PTY_CLOSED                                                                             \
	{                                                                                          \
		.master = -1, .watch = -1                                                          \
	}

_must_check_ int sim_pty_open(struct sim_pty *pty, struct kf_error *err);

/* Hang up: clients read an end of file. Safe on a closed one. */
void sim_pty_close(struct sim_pty *pty);

/* Fill fds for poll(2). One may be -1, which poll(2) skips. */
void sim_pty_poll(const struct sim_pty *pty, bool want_read, bool want_write, struct pollfd fds[2]);

enum sim_pty_event {
	SIM_PTY_QUIET,
	SIM_PTY_OPENED,	     /* by a first client, or by one more */
	SIM_PTY_CLOSED_1200, /* the last client left, with the line at 1200 baud */
	SIM_PTY_CLOSED_PLAIN,
};

/*
 * The event at the slave since the last call. Call this before reading: after CLOSED the
 * bytes that were written before can still be read.
 */
enum sim_pty_event sim_pty_next(struct sim_pty *pty);

/* The bytes that a client has written and nobody has read. */
size_t sim_pty_readable(const struct sim_pty *pty);

/* Without waiting: the count, 0 if there is nothing (or no client), or a negative errno. */
_must_check_ ssize_t sim_pty_read(struct sim_pty *pty, void *buf, size_t size);
_must_check_ ssize_t sim_pty_write(struct sim_pty *pty, const void *buf, size_t len);

#endif
