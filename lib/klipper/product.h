/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What make left: found, read, and checked against what was wanted. */
#ifndef KF_KLIPPER_PRODUCT_H
#define KF_KLIPPER_PRODUCT_H

#include "klipper/build.h"
#include "klipper/image.h"

/*
 * work->image_path is filled; the caller frees *ret. KF_BUILD_FAILED: there is none. KF_CONFIG,
 * KF_MCU_MISMATCH, KF_WRONG_OFFSET, KF_WRONG_VERSION: it is not what the configuration and the
 * tree ask for. And as kf_image_load and klipper/image-check.h.
 */
_must_check_ int kf_product_check(struct kf_work *work, struct kf_image *ret, struct kf_error *err);

/* The record's "firmware" member without its path, a new reference; NULL: no memory, or no file. */
json_t *kf_product_describe(const struct kf_work *work, const struct kf_image *image);

#endif
