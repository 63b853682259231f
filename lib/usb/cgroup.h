/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Find the service or container of a process, and the command that stops it. */
#ifndef KF_USB_CGROUP_H
#define KF_USB_CGROUP_H

#include <sys/types.h>

#include "core/base.h"

#define KF_STOP_SIZE (3 * KF_NAME_SIZE) /* bytes of a command that stops something */

/* Names in it are safe to be shown, and in stop to be typed into a shell. */
struct kf_cgroup {
	char unit[KF_NAME_SIZE]; /* a service of the system's manager; empty: it is in none */
	char name[KF_NAME_SIZE]; /* the same, a user's own service, or a container; may be empty */
	bool container; /* in a container, also in one that a service runs, or whose name is odd */
	char stop[KF_STOP_SIZE]; /* "docker stop 0123456789ab"; empty: only its pid is known */
};

/*
 * Read the text of a /proc/PID/cgroup (cgroups(7)), which this cuts up, as systemd and the
 * container engines name their groups. The outermost of them decides: a process in a container
 * belongs to no service of the system. me is the user who would stop it. False: the process is in
 * no service and no container that we can name; *ret is empty then, but for container.
 */
bool kf_cgroup_read(char *text, uid_t me, struct kf_cgroup *ret);

#endif
