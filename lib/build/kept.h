/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Firmware that was built and checked, kept per board below $XDG_STATE_HOME/kalico-flash:
 *
 *   firmware/KEY/<first 12 of the image's sha256>/
 *       klipper.bin (or .uf2, .elf.hex, .elf), klipper.dict, .config, firmware.json
 *   firmware/KEY/latest    the name of the newest folder, replaced in one step
 *
 * A folder appears whole or not at all. firmware.json is the record's "firmware" member without
 * "path", and "time" (UTC), "tree", "config_sha256" and "build".
 */
#ifndef KF_BUILD_KEPT_H
#define KF_BUILD_KEPT_H

#include <limits.h>

#include "core/error.h"

#define KF_KEPT_MAX 5 /* builds a board; older ones are removed */

/*
 * Keep a build and make it the newest: copies of the files image, of klipper.dict beside it if
 * there is one, and of config. firmware is the record's member, and beyond that "tree",
 * "config_sha256" and, unless it is not to be reused, "build", the build key. *ret is a new
 * reference to the record's member, with "path" set to the kept image. KF_INTERNAL if firmware
 * lacks sha256 or format; KF_BUSY if another process keeps a build of this board for over 5 s; and
 * errors of reading and writing files.
 */
_must_check_ int kf_kept_add(const char *key, const char *image, const char *config,
			     const json_t *firmware, json_t **ret, struct kf_error *err);

/*
 * The board's newest kept build: a new reference, ready to be a record's "firmware",
 * with "path" set to where the image is now and "reused" true. The image's bytes have
 * been compared with the sha256 that was kept. KF_NO_FIRMWARE: nothing was built yet, what is there
 * is damaged, or it has another build key than build (NULL: any); the message says which.
 */
_must_check_ int kf_kept_latest(const char *key, const char *build, json_t **ret,
				struct kf_error *err);

/*
 * The kept image of the board with this sha256, and the configuration that it was built with.
 * KF_NO_FIRMWARE: there is none, or one of the two is not what was kept.
 */
_must_check_ int kf_kept_find(const char *key, const char *sha256, char ret_image[PATH_MAX],
			      char ret_config[PATH_MAX], struct kf_error *err);

/*
 * Compare every kept build of the board with its sha256; *ret_count is how many there are (0:
 * nothing was built). KF_NO_FIRMWARE names the first that is damaged.
 */
_must_check_ int kf_kept_check(const char *key, size_t *ret_count, struct kf_error *err);

#endif
