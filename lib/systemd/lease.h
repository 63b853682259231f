/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A lease on units of the printer's: kf-leased keeps them stopped until it is released, or
 * the last process that has its connection open is gone.
 *
 * The socket is a SOCK_SEQPACKET; each message is one JSON object, a packet of at most
 * KF_LEASE_MESSAGE_MAX bytes. An empty packet is the end, as a closed connection is. A
 * connection is good for one lease:
 *
 *   > {"hold": ["klipper.service", "moonraker"]}	within 5 s; names as in kf-service -u;
 *	"timeout": 60 gives each so many seconds to stop and to start, 30 if it is left out
 *   < {"stopped": [...], "held": [...], "inactive": [...]}
 *	they ran and are stopped; were stopped already, for another lease; do not run
 *   < {"error": CODE, "message": TEXT, "hint": TEXT}
 *	not all are down; those that were stopped come back with the release
 *   > {"release": true}				at any time
 *   < {"started": [...], "held": [...], "lost": [...], "message": TEXT}
 *	they run again; another lease keeps them down; could not be started, and why
 *   > {"release": [UNIT...]}			instead of a hold
 *	what has become of them? To be asked by whose lease ended with kf-leased.
 *
 * What is not understood or not allowed is answered with an error that has "refused": true;
 * it changes nothing, and the connection is closed. Where a lease stands, what is not understood
 * is passed over: a command that inherited the connection may have written there.
 */
#ifndef KF_SYSTEMD_LEASE_H
#define KF_SYSTEMD_LEASE_H

#include "core/error.h"

#define KF_LEASE_SOCKET "/run/kalico-flash/lease.sock"
#define KF_LEASE_DEBTS                                                                             \
	"/owed" /* beside it: a folder with a file for each unit that is owed (debt.h) */

/* Where it is: KF_LEASE_SOCKET, or what the environment says in a variable of that name. */
const char *kf_lease_socket(void);

/* The last: what kf-leased gives a unit to stop or to start. */
enum {
	KF_LEASE_UNITS_MAX = 32,
	KF_LEASE_MESSAGE_MAX = 8192,
	KF_LEASE_TIMEOUT_MAX = 3600,
	KF_LEASE_MOVE_MS = 30000
};

struct kf_lease_request {
	bool release;	    /* else hold */
	int64_t timeout_ms; /* of a hold; 0: none was named */
	size_t count;
	char units[KF_LEASE_UNITS_MAX][KF_NAME_SIZE]; /* as of kf_lease_unit, each once */
};

/* As kf_unit_name; KF_PERMISSION for what is not klipper*.service or moonraker*.service. */
_must_check_ int kf_lease_unit(const char *name, char ret[KF_NAME_SIZE], struct kf_error *err);

/* Read a packet of a client's. KF_PROTOCOL, or the errors of kf_lease_unit. */
_must_check_ int kf_lease_parse(const char *text, size_t len, struct kf_lease_request *ret,
				struct kf_error *err);

/* The answer that tells err; NULL: out of memory. */
json_t *kf_lease_error(const struct kf_error *err);

#endif
