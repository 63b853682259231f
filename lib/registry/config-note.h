/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A JSON note beside a board's saved configuration: configs/KEY/NAME.json. It names the .config by
 * its SHA-256 in "config_sha256", so a note of an earlier .config is no note.
 */
#ifndef KF_REGISTRY_CONFIG_NOTE_H
#define KF_REGISTRY_CONFIG_NOTE_H

#include "core/error.h"

/* The note of the configuration that is saved now; the caller frees it. NULL: there is none. */
json_t *kf_config_note_load(const char *key, const char *name);

/* Write the note (taken over, also on failure), with the SHA-256 of what is saved now. */
_must_check_ int kf_config_note_save(const char *key, const char *name, json_t *note,
				     struct kf_error *err);

/* Copy a member of a note. False: it is absent, empty, too long or not clean: we did not write it.
 */
bool kf_config_note_text(const json_t *note, const char *member, char *ret, size_t size);

#endif
