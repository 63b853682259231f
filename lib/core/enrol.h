/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A new device for the registry: what a connected board proposes, and what would make
 * two devices one. Asking is terminal.h's, deciding is the user's.
 */
#ifndef KF_CORE_ENROL_H
#define KF_CORE_ENROL_H

#include "core/registry.h"

/* All may be empty but key, name and mcu; at least one of pattern and usb_port is there. */
struct kf_enrolment {
	char key[KF_KEY_SIZE], name[KF_NAME_SIZE], mcu[64];
	char pattern[KF_DEV_SIZE], usb_port[64], flash_method[64];
	bool by_port; /* the board has no serial of its own, or a twin: the port decides */
};

/*
 * Leave in boards only what could be registered: connected, unknown, not excluded, and
 * with firmware or a bootloader of Klipper's kind; if pattern or port say which (else NULL),
 * only those. With any, if there is none of that kind, whatever has a serial port (a converter
 * may have a board behind it). Returns how many are left, in their order.
 */
size_t kf_enrol_candidates(const struct kf_registry *registry, struct kf_board *boards,
			   size_t count, const char *pattern, const char *port, bool any);

/* What its names say; what they do not say stays empty. The key is one that is free. */
void kf_enrol_propose(const struct kf_registry *registry, const struct kf_board *board,
		      struct kf_enrolment *ret);

/* The method for a chip that has no Katapult (AVR, SAM); "": the default for all boards. */
const char *kf_enrol_method(const char *mcu);

/* A free key for a board of that name. */
void kf_enrol_key(const struct kf_registry *registry, const char *name, char ret[KF_KEY_SIZE]);

/*
 * Does the pattern, as a name of its firmware's, say another MCU than mcu? named is that one.
 * Where it leaves the MCU open, or nothing is known of mcu: false.
 */
bool kf_enrol_other_mcu(const char *pattern, const char *mcu, char named[64]);

/*
 * KF_MCU_MISMATCH where kf_enrol_other_mcu says so. The hint has the words for a new device, or
 * with a key for that one.
 */
_must_check_ int kf_enrol_check_mcu(const char *key, const char *pattern, const char *mcu,
				    struct kf_error *err);

/*
 * Put it into the registry (not yet into the file). KF_USAGE: a value that is not allowed.
 * KF_CONFIG: the key is taken. KF_AMBIGUOUS: another device would fit the same boards.
 */
_must_check_ int kf_enrol_add(struct kf_registry *registry, const struct kf_enrolment *enrolment,
			      struct kf_error *err);

/* KF_AMBIGUOUS, naming both, if the device of that key and another fit the same boards. */
_must_check_ int kf_enrol_check(const struct kf_registry *registry, const char *key,
				struct kf_error *err);

/*
 * Change devices.json under its lock, all or nothing: "member=value" texts (NULL-terminated)
 * for a device, or with key NULL for "global". Errors of kf_settings_assign,
 * kf_registry_open, kf_enrol_check and, for an MCU, kf_enrol_check_mcu.
 */
_must_check_ int kf_enrol_set(const char *key, char *const *assignments, struct kf_error *err);

/* Take the device out of devices.json, under its lock. KF_NOT_REGISTERED, or as above. */
_must_check_ int kf_enrol_remove(const char *key, struct kf_error *err);

#endif
