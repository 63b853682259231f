/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The leases: a folder of root with a file for each connection that a user may have, locked
 * (flock(2)) by the lease server that uses it. So each user has a limit, and the lease of a killed
 * server is no longer listed.
 */
#ifndef KF_SYSTEMD_LEASES_H
#define KF_SYSTEMD_LEASES_H

#include <sys/socket.h>

#include "core/error.h"

enum { KF_LEASES_EACH = 16, KF_LEASES_ROOT = 64 };

/* Take a file for uid; closing *ret gives it back. KF_BUSY: all of that user's are in use. KF_IO.
 */
_must_check_ int kf_leases_enter(const char *dir, uid_t uid, int *ret, struct kf_error *err);

/*
 * Write the description of this lease: {"since", "uid", "user", "pid", "command", "units"}. The
 * command is as the kernel shows it in /proc. name gets the text of kf_leases_name.
 */
_must_check_ int kf_leases_write(int fd, const struct ucred *client, const json_t *units,
				 char *name, size_t size, struct kf_error *err);

/* The client of a lease: "process 812 of pi (kf-service hold -- true)". */
void kf_leases_name(const json_t *lease, char *ret, size_t size);

/*
 * The leases on one unit; NULL: of all connections, where one that holds nothing (yet) is an empty
 * object. A new reference.
 */
json_t *kf_leases_list(const char *dir, const char *unit);

#endif
