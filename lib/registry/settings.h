/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The members of devices.json that we know: their types and what they may say. A
 * file that passed kf_settings_check has only clean, bounded strings in them, so readers of the
 * registry need not check them again. Unknown members are not checked.
 */
#ifndef KF_REGISTRY_SETTINGS_H
#define KF_REGISTRY_SETTINGS_H

#include "core/error.h"

enum kf_scope {
	KF_SCOPE_GLOBAL,
	KF_SCOPE_DEVICE,
};

/* A whole devices.json. KF_CONFIG names the device and the member. */
_must_check_ int kf_settings_check(const json_t *root, struct kf_error *err);

/*
 * "member=value" from a command line into an object of that scope; "member=" goes
 * back to the default. KF_USAGE for a member that there is not (naming those there are),
 * a value that is not allowed, or a member without default. "pattern" is "serial_pattern".
 */
_must_check_ int kf_settings_assign(json_t *members, enum kf_scope scope, const char *assignment,
				    struct kf_error *err);

/*
 * NULL if dir is a source folder; else the reason, in words that follow its name. Not an error: the
 * folder may be filled later.
 */
const char *kf_settings_dir_lacks(const char *dir);

/* A device's pattern under either of its names, or NULL. */
const char *kf_settings_pattern(const json_t *device);

#endif
