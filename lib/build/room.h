/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A full disk shows as any error of make's: it is looked for where make failed. */
#ifndef KF_BUILD_ROOM_H
#define KF_BUILD_ROOM_H

#include "core/error.h"

/*
 * make has failed, with its OUT and its log at these paths (log may be NULL). Where it had no room
 * left (OUT, the log, the compiler's temporary files, ccache), err's message and hint say so and
 * name the folder; else err stays as it is. err may be NULL.
 */
void kf_room_blame(const char *out, const char *log, struct kf_error *err);

#endif
