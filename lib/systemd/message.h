/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What systemd's messages on D-Bus say (org.freedesktop.systemd1(5)); no connection of its own. */
#ifndef KF_SYSTEMD_MESSAGE_H
#define KF_SYSTEMD_MESSAGE_H

#include <systemd/sd-bus.h>

#include "systemd/state.h"

#define KF_SD_NAME	 "org.freedesktop.systemd1"
#define KF_SD_PATH	 "/org/freedesktop/systemd1"
#define KF_SD_MANAGER	 KF_SD_NAME ".Manager"
#define KF_SD_JOB	 KF_SD_NAME ".Job"
#define KF_SD_PROPERTIES "org.freedesktop.DBus.Properties"

/*
 * A variant in the spelling of systemctl show; of a (uo), the path. Others (lists) are left empty.
 * Negative: sd-bus cannot read it.
 */
_must_check_ int kf_message_variant(sd_bus_message *m, char *ret, size_t size);

/*
 * The answer to GetAll with all interfaces (""). job gets the path of the unit's queued job,
 * "/" if there is none. What that does has to be asked, and kf_unit_state_job told.
 */
_must_check_ int kf_message_state(sd_bus_message *m, struct kf_unit_state *ret,
				  char job[KF_NAME_SIZE], struct kf_error *err);

/* An error reply in its sender's words. KF_PERMISSION: polkit says no. KF_SERVICE: systemd does. */
int kf_message_fail(sd_bus_message *reply, struct kf_error *err);

/* An error reply that only says that systemd or the bus is just starting anew: ask again. */
bool kf_message_passing(sd_bus_message *reply);

#endif
