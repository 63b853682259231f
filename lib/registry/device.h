/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Add, change and remove a device of the registry, and never let two devices fit one board. */
#ifndef KF_REGISTRY_DEVICE_H
#define KF_REGISTRY_DEVICE_H

#include "board/port.h"
#include "registry/registry.h"

/* Only key, name, mcu, and pattern or something in port must not be empty. */
struct kf_new_device {
	char key[KF_KEY_SIZE], name[KF_NAME_SIZE], mcu[64];
	char pattern[KF_DEV_SIZE], flash_method[64];
	struct kf_port port;
	uint32_t baud; /* of its firmware there; 0: the default */
	bool by_port;  /* its serial is not its own, or another board shows it too: the port decides
			*/
};

/*
 * Does the pattern, read as the USB name of firmware, name another MCU than mcu? Then named is that
 * other one. False if the pattern names no MCU, or mcu is not known.
 */
bool kf_device_other_mcu(const char *pattern, const char *mcu, char named[64]);

/*
 * KF_MCU_MISMATCH where kf_device_other_mcu is true. The hint says how to register a new device
 * (key is NULL), or how to change the device of that key.
 */
_must_check_ int kf_device_check_mcu(const char *key, const char *pattern, const char *mcu,
				     struct kf_error *err);

/* KF_AMBIGUOUS, naming both, if the device of that key and another one fit the same boards. */
_must_check_ int kf_device_check_unique(const struct kf_registry *registry, const char *key,
					struct kf_error *err);

/* KF_USAGE: it is not a valid key. KF_CONFIG: it is registered already. */
_must_check_ int kf_device_check_key(const struct kf_registry *registry, const char *key,
				     struct kf_error *err);

/*
 * Put a new device into the registry (not yet into the file). KF_USAGE: a value that is not
 * allowed, or a flash method that cannot be for its MCU. KF_CONFIG: the key is registered already.
 * KF_AMBIGUOUS: another device fits the same boards.
 */
_must_check_ int kf_device_add(struct kf_registry *registry, const struct kf_new_device *new,
			       struct kf_error *err);

/*
 * Change devices.json under its lock, all or nothing: "member=value" texts (NULL-terminated) for a
 * device, or with key NULL for "global". KF_USAGE: a flash method, a programmer or a rate that is
 * of no use to a board of this MCU or wire; or nothing would be left by which the board is found.
 * Errors of kf_settings_assign, kf_registry_open, kf_device_check_unique and, for an MCU,
 * kf_device_check_mcu.
 */
_must_check_ int kf_device_set(const char *key, char *const *assignments, struct kf_error *err);

/* Remove the device from devices.json, under its lock. KF_NOT_REGISTERED, or as above. */
_must_check_ int kf_device_remove(const char *key, struct kf_error *err);

#endif
