/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Chooses the boards for kf update from the records that kf-status writes, and tells for each other
 * board why it is left.
 */
#ifndef KF_REGISTRY_UPDATE_H
#define KF_REGISTRY_UPDATE_H

#include "board/record.h"

/*
 * Of records with a "status", those to be updated: behind, incomplete, or in their bootloader; with
 * named (the user has named them all) also those that differ, are ahead, or could not be asked.
 * *ret is a new array, or NULL: there is nothing to do. told is called with a line for each board
 * that is left although it is not up to date, for a Klippy that does not run what its tree has, and
 * if there is nothing to do. -ENODEV, -EINVAL: a board that was named cannot be updated.
 */
_must_check_ int kf_update_choose(const json_t *found, bool named, void (*told)(const char *line),
				  json_t **ret, struct kf_error *err);

#endif
