/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * systemd's services over D-Bus (org.freedesktop.systemd1(5)), with `sudo -n systemctl`
 * where D-Bus or polkit says no. Jobs are waited for: stopped means inactive, started means
 * active. Nobody is ever asked for a password.
 */
#ifndef KF_SYSTEMD_UNITS_H
#define KF_SYSTEMD_UNITS_H

#include "systemd/patience.h"
#include "systemd/state.h"

struct kf_bus;
struct kf_systemd;

/* KF_SERVICE when there is no systemd to talk to: the message says what was tried. */
_must_check_ int kf_systemd_open(struct kf_systemd **ret, struct kf_error *err);
void kf_systemd_close(struct kf_systemd **systemd);

/* Its connection, made anew if it was lost; NULL: there is no D-Bus. Not the caller's to close. */
struct kf_bus *kf_systemd_bus(struct kf_systemd *systemd, const struct kf_patience *patience);

/*
 * "klipper" means klipper.service; KF_USAGE for what cannot be a service's name (another
 * kind of unit, a template without instance, a pattern).
 */
_must_check_ int kf_unit_name(const char *name, char ret[KF_NAME_SIZE], struct kf_error *err);

/* A unit that systemd does not know is no error here: its load state is not-found. */
_must_check_ int kf_unit_state(struct kf_systemd *systemd, const char *unit,
			       struct kf_unit_state *ret, struct kf_error *err);

/* The same, but KF_SERVICE if there is no such unit; the hint names what there is. */
_must_check_ int kf_unit_known(struct kf_systemd *systemd, const char *unit,
			       struct kf_unit_state *ret, struct kf_error *err);

/*
 * Stop or start a unit and wait for its job. Done already is success. Errors: KF_PERMISSION
 * (with both remedies in the hint), KF_TIMEOUT, KF_SERVICE (no such unit, or job failed: the
 * result and where to look). A stop signal ends kf_unit_stop (KF_INTERRUPTED; the unit may
 * stop yet), but not kf_unit_start: what we owe, we pay.
 */
_must_check_ int kf_unit_stop(struct kf_systemd *systemd, const char *unit, int64_t deadline_ms,
			      struct kf_error *err);
_must_check_ int kf_unit_start(struct kf_systemd *systemd, const char *unit, int64_t deadline_ms,
			       struct kf_error *err);

/*
 * Forget how often it was started of late, as far as we may: whoever starts it next is not
 * refused for that (StartLimitBurst=).
 */
void kf_unit_forgive(struct kf_systemd *systemd, const char *unit);

/* By which way we may stop and start this unit; found without doing so. */
enum kf_right {
	KF_RIGHT_NONE,
	KF_RIGHT_DBUS,	    /* systemd and polkit let us */
	KF_RIGHT_SUDO,	    /* sudo does, without a password */
	KF_RIGHT_SYSTEMCTL, /* root without a bus */
};
const char *kf_right_name(enum kf_right right); /* "none", "dbus", "sudo", "systemctl" */
_must_check_ int kf_unit_right(struct kf_systemd *systemd, const char *unit, enum kf_right *ret,
			       struct kf_error *err);

/* From here on it is stopped and started by sudo: polkit is not asked about it any more. */
void kf_unit_by_sudo(struct kf_systemd *systemd, const char *unit);

/*
 * Does polkit let us start it? Found without starting it; false also when it cannot be told.
 * A no is remembered: it is sudo's turn then.
 */
bool kf_unit_allowed(struct kf_systemd *systemd, const char *unit);

#endif
