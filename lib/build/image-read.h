/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Read what a board runs, by kf-flash --read: only kf-flash stops services and sends boards into
 * bootloaders. A read of a few bytes is the way to ask where its Katapult starts the application.
 */
#ifndef KF_BUILD_IMAGE_READ_H
#define KF_BUILD_IMAGE_READ_H

#include "build/configuring.h"

enum { KF_IMAGE_READ_START = 64 }; /* bytes, where only the start is asked */

/*
 * Read so many bytes into the file path, which the caller removes. config (may be NULL) is the
 * configuration that is expected to run. told gets Katapult's start and MCU. c->told is set if
 * kf-flash has told the user already why it failed.
 *
 * KF_INTERRUPTED, KF_INTERNAL, and what kf-flash put into the record: as kf_read_board.
 */
_must_check_ int kf_image_read(struct kf_configure *c, const struct kf_board *board,
			       const struct kf_kconfig *config, const char *path, size_t bytes,
			       struct kf_board_told *told, struct kf_error *err);

#endif
