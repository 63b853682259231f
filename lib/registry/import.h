/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The registry and the saved configurations from one machine to another: a devices.json with
 * configs/KEY/.config beside it.
 */
#ifndef KF_REGISTRY_IMPORT_H
#define KF_REGISTRY_IMPORT_H

#include "registry/registry.h"

/*
 * path is a devices.json, ours or the Python tool's, or the folder that it is in (also the folder
 * of that tool's checkout, where it is kflash/devices.json).
 *
 * Add the devices that our registry does not have, save it, and copy the configurations that are
 * not here yet. Existing devices and configurations are not replaced. *ret is a new reference:
 * {"devices":[keys taken], "unchanged":[keys],"global":[members taken],"kept":[members that differ
 * and stay as they are here],"blocked_devices":number,"configs":[keys]}.
 *
 * KF_CONFIG: file is not such a file, or has a device that is here with other values.
 * KF_AMBIGUOUS: it has one that would be the same board as another. Nothing is written then.
 */
_must_check_ int kf_import(const char *path, json_t **ret, struct kf_error *err);

/*
 * How many boards the devices.json at path (as above; "~" is the home directory) has that are not
 * registered here. 0 also where there is none, or it cannot be read.
 */
size_t kf_import_count(const struct kf_registry *registry, const char *path);

/*
 * Write devices.json to file and the configurations beside it, replacing what is there; or
 * with file "-" only the former, to out.
 */
_must_check_ int kf_export(const char *file, FILE *out, struct kf_error *err);

#endif
