/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Boards of another flashing tool, registered here with their configurations. */
#ifndef KF_KLIPPER_ADOPT_H
#define KF_KLIPPER_ADOPT_H

#include "core/error.h"

/* kf_import_ukam or kf_import_fleet. */
typedef int kf_import_reader(const char *text, size_t len, json_t **ret, struct kf_error *err);

/*
 * Register what file (its text: text) has and devices.json has not, and save its configurations.
 * Nothing that is here is replaced, and one board that cannot be taken does not stop the others.
 * *ret is a new reference: {"from":tool,"devices":[keys taken],"unchanged":[keys],
 * "configs":[keys],"left":[{"name","reason"}]}. Errors: the reader's, and the registry's.
 */
_must_check_ int kf_adopt(const char *file, const char *text, size_t len, kf_import_reader *reader,
			  json_t **ret, struct kf_error *err);

#endif
