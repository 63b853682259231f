/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The second way to systemd: systemctl(1), through `sudo -n` unless we are root. sudo is
 * given exactly "systemctl stop UNIT", so that a narrow line in sudoers is enough.
 */
#ifndef KF_SYSTEMD_SYSTEMCTL_H
#define KF_SYSTEMD_SYSTEMCTL_H

#include "systemd/patience.h"
#include "systemd/state.h"

/*
 * verb is "stop", "start" or "reset-failed"; systemctl waits for the job itself.
 * KF_PERMISSION: sudo refuses, or is not there; KF_SERVICE: systemctl failed; the message is
 * their last line. KF_TIMEOUT, KF_INTERRUPTED.
 */
_must_check_ int kf_systemctl_job(const char *verb, const char *unit,
				  const struct kf_patience *patience, struct kf_error *err);

/* systemctl show, for when there is no D-Bus. Errors as above. */
_must_check_ int kf_systemctl_state(const char *unit, const struct kf_patience *patience,
				    struct kf_unit_state *ret, struct kf_error *err);

/* Would sudo let us do this without a password? False also when it cannot be told. */
bool kf_systemctl_may(const char *verb, const char *unit, const struct kf_patience *patience);

/*
 * Another program that way: argv begins with "sudo", "-n". ret is the last line that it
 * printed. Errors as above.
 */
_must_check_ int kf_sudo(const char *const *argv, const struct kf_patience *patience, char *ret,
			 size_t size, struct kf_error *err);

/* Does this succeed ("sudo", "-n", "-l", ...)? */
bool kf_sudo_may(const char *const *argv, const struct kf_patience *patience);

#endif
