/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Find the process that has a port open (/proc/PID/fd, /proc/locks), and its unit or container. */
#ifndef KF_USB_HOLDER_H
#define KF_USB_HOLDER_H

#include "board/board.h"
#include "usb/cgroup.h"

/*
 * Fill the holder of each board that has a tty; one walk over /proc for all. Our own process does
 * not count. Of other users' processes only those are seen that have the port's flock(2), as
 * Klipper's host does, by way of this device node: pid 0 then means "nobody that we may see". Such
 * a holder may have no command: /proc may hide even that (hidepid).
 */
void kf_holders_find(struct kf_board *boards, size_t count);

/* Are the open files of this process hidden? True also if /proc hides the process. */
bool kf_holder_hidden(pid_t pid);

/*
 * Does this process have the flock(2) of another port (another file in the same /dev as tty), and
 * not that of tty? A program that locks all its ports does not have this one then.
 */
bool kf_holder_elsewhere(pid_t pid, const char *tty);

/* A process by its number: its command and its unit, as far as /proc shows them. */
struct kf_holder kf_holder_of(pid_t pid);

/*
 * The process that took the flock(2) of path (a port, by our device node, or a folder), if that is
 * another one; 0: nobody. Another process may have inherited the lock since then.
 */
pid_t kf_holder_locked(const char *path);

struct kf_holder_facts {
	char place[KF_NAME_SIZE]; /* its service or its container; empty: neither is known */
	bool container;		  /* it may have a /dev of its own */
	char owner[KF_NAME_SIZE]; /* its user, if that is not the caller's; else empty */
	char stop[KF_STOP_SIZE];  /* the command that stops it: that of its place, else kill */
};

/* Get the facts about a holder for a message, as they are now. */
void kf_holder_find_facts(const struct kf_holder *holder, struct kf_holder_facts *ret);

#endif
