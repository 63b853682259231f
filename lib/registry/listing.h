/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Formats registered devices for people and programs. The caller checks its stream for errors. */
#ifndef KF_REGISTRY_LISTING_H
#define KF_REGISTRY_LISTING_H

#include "registry/registry.h"

/*
 * A device for the outside, a new reference: {"key":...} and all its members as in
 * devices.json, and "saved_config" {"path","days"} where a configuration is saved. Of one that a
 * printer describes, "registered" is false, and "klipper_dir" is the tree of its Klippy.
 */
json_t *kf_listing_device(const struct kf_registry *registry, const char *key);

/*
 * The same by its key from devices.json as it is now; with key NULL the members of "global".
 * KF_NOT_REGISTERED, and as kf_registry_load.
 */
_must_check_ int kf_listing_load(const char *key, json_t **ret, struct kf_error *err);

/* One line of a table. */
void kf_listing_row(FILE *out, const json_t *device);

/* One line a member; any object. */
void kf_listing_members(FILE *out, const json_t *object);

/* One line: a record as kf-config left it. */
void kf_listing_record(FILE *out, const json_t *record);

#endif
