/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Other tools' lists of boards, read as far as they carry over. Pure: text in, JSON out. What
 * comes out:
 *
 *   {"from": "UKAM",
 *    "devices": {KEY: a device as in devices.json; without "mcu" if its name does not tell it},
 *    "configs": {KEY: its Kconfig, relative to the folder of the file},
 *    "left": [{"name": ..., "reason": ...}]}    in the order of the file
 *
 * Every string in it is clean and bounded, every path stays below that folder. KF_CONFIG: the
 * text is not of that format; the line is named.
 */
#ifndef KF_CORE_IMPORT_H
#define KF_CORE_IMPORT_H

#include "core/error.h"

#define KF_IMPORT_MAX 128 /* boards in one file */

/*
 * Update Klipper And More's mcus.ini (github.com/fbeauKmi/update_klipper_and_mcus, README.md
 * "Edit mcus.ini", scripts/mcus.sh; Kconfigs in config/config.NAME).
 */
_must_check_ int kf_import_ukam(const char *text, size_t len, json_t **ret, struct kf_error *err);

/*
 * KlipperFleet's fleet.json (github.com/JohnBaumb/KlipperFleet, backend/fleet_manager.py and
 * class Device in backend/main.py; Kconfigs in profiles/PROFILE.config).
 */
_must_check_ int kf_import_fleet(const char *text, size_t len, json_t **ret, struct kf_error *err);

/* For the readers: an empty result; NULL: no memory. */
json_t *kf_import_new(const char *from);

/* Note that this board, or what is said of it, stays behind. */
void kf_import_leave(json_t *result, const char *name, const char *reason, ...) _printf_(3, 4);

/*
 * Take a board: known by a by-id name (with or without folder), flashed by method (NULL: the
 * default), its Kconfig at the printf-style relative path ("": none). False: it stays behind, as
 * that name does not tell it from others, or its key is taken in this file.
 */
bool kf_import_take(json_t *result, const char *name, const char *by_id, const char *method,
		    const char *config, ...) _printf_(5, 6);

#endif
