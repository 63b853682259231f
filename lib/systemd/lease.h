/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The protocol of a lease: the lease server (kf-leased) keeps units stopped for a lease client
 * until that shuts down its side of the connection (shutdown(2), SHUT_WR), or until the last
 * process that has the connection open is gone.
 *
 * The socket is a SOCK_SEQPACKET; each message is one JSON object, a packet of at most
 * KF_LEASE_MESSAGE_MAX bytes. A connection is good for one request, within 5 s:
 *
 *   > {"hold": ["klipper.service", "moonraker"]}	names as in kf-service -u. Also:
 *	"timeout": 60		seconds that units have to stop and to start (30)
 *	"wait": 60		seconds that another lease has to end its restart (60)
 *	"while_unknown": true	go on where nobody can say whether a Klippy prints
 *   < {"units": [{"unit": "klipper.service", "state": STATE}...], "end": false}
 *	"stopped"; "held": stopped already, for another lease; "inactive": it does not run.
 *	Units that systemd stops along with the named ones are among them
 *   ... until the end, then:
 *   < {"units": [{"unit": ..., "state": STATE, "message": WHY}...], "end": true}
 *	"started"; "running": it was not down, or somebody else has started it; "held": another
 *	lease keeps it stopped; "left": its owner does not want it to run any more, and why;
 *	"lost": it could not be started, and why; "inactive"
 *
 *   > {"status": ["klipper.service"]}			instead of a hold
 *   < {"units": [{"unit": ..., "along": [UNIT...], "leases": [LEASE...], "pending": BOOL}...]}
 *	what would be held with it, who holds it (leases.h), and whether it has to run again. In
 *place of "along" "error", "message" and "hint" say why a hold would be refused
 *
 * An error in place of the first answer is {"error": CODE, "message": TEXT, "hint": TEXT}. One that
 * refuses the request has "refused": true; it has changed nothing, and the connection is closed.
 * After another the last answer comes too. What else is sent is ignored: a command that inherited
 * the connection may have written there.
 */
#ifndef KF_SYSTEMD_LEASE_H
#define KF_SYSTEMD_LEASE_H

#include <sys/types.h>

#include "systemd/unit.h"

#define KF_LEASE_SOCKET "/run/kalico-flash/lease.sock"

enum { KF_LEASE_MESSAGE_MAX = 8192, KF_LEASE_ANSWER_MAX = 128 * 1024, KF_LEASE_TIMEOUT_MAX = 3600 };

struct kf_lease_request {
	bool status; /* else hold */
	int64_t timeout_ms, wait_ms;
	bool while_unknown;
	size_t count;
	char units[KF_UNITS_MAX][KF_NAME_SIZE]; /* as of kf_unit_name, each once */
};

/* The path of the socket: KF_LEASE_SOCKET, or the environment variable of that name. */
const char *kf_lease_socket(void);

/* May this user lease a unit of this name? KF_PERMISSION: only root may. */
_must_check_ int kf_lease_may(const char *unit, uid_t uid, struct kf_error *err);

/* Read a packet of a lease client's. KF_PROTOCOL, or the errors of kf_unit_name. */
_must_check_ int kf_lease_parse(const char *text, size_t len, struct kf_lease_request *ret,
				struct kf_error *err);

/* The answer that tells err; NULL: out of memory. And err from such an answer. */
json_t *kf_lease_error(const struct kf_error *err);
int kf_lease_read_error(const json_t *answer, struct kf_error *err);

#endif
