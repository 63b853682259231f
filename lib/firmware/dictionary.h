/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The data dictionary of a firmware: zlib-compressed JSON that says what it is
 * (Klipper docs/Protocol.md, "Data dictionary"). It comes from a board, from the
 * inside of an image or from klipper.dict; in all three it is hostile until checked.
 */
#ifndef KF_FIRMWARE_DICTIONARY_H
#define KF_FIRMWARE_DICTIONARY_H

#include "core/error.h"

#define KF_DICTIONARY_MAX (1 << 20) /* bytes inflated; real ones have about 16 KiB */

struct kf_dictionary {
	char app[32];		    /* "Klipper" (also if it does not say), "Kalico" */
	char version[KF_NAME_SIZE]; /* as Klipper writes it, build suffix and all */
	char mcu[64];		    /* config.MCU; may be empty */
	char build[KF_NAME_SIZE];   /* build_versions; may be empty */
	bool can_bridge;	    /* its USB is a CAN adapter: CANBUS_BRIDGE */
	uint32_t can_frequency;	    /* of its CAN bus, in bit/s: CANBUS_FREQUENCY; 0: not for CAN */
	bool constants;		    /* it has these: what is not there is not so */
	char sha256[KF_HEX_SIZE];   /* of the JSON text: klipper.dict's is the image's */
};

/*
 * The JSON text in compressed bytes, not read yet; the caller frees *ret, which has no NUL at its
 * end. *ret_used (may be NULL): how many of len the zlib stream had. KF_PROTOCOL: not zlib, cut
 * off, or more than KF_DICTIONARY_MAX. bzip2's header is named: it was proposed for Klipper and
 * Kalico.
 */
_must_check_ int kf_dictionary_inflate(const uint8_t *data, size_t len, char **ret, size_t *ret_len,
				       size_t *ret_used, struct kf_error *err);

/* From JSON text (klipper.dict). KF_PROTOCOL: too large, or not a dictionary's JSON. */
_must_check_ int kf_dictionary_parse(const char *json, size_t len, struct kf_dictionary *ret,
				     struct kf_error *err);

/* The first one in an image's bytes. KF_BAD_IMAGE if there is none. */
_must_check_ int kf_dictionary_find(const uint8_t *image, size_t len, struct kf_dictionary *ret,
				    struct kf_error *err);

/*
 * The same, with its JSON text, which the caller frees, and where in the image it is packed:
 * *ret_used bytes from *ret_at on.
 */
_must_check_ int kf_dictionary_locate(const uint8_t *image, size_t len, size_t *ret_at,
				      size_t *ret_used, char **ret, size_t *ret_len,
				      struct kf_dictionary *ret_read, struct kf_error *err);

/*
 * The version without the build suffix (-YYYYMMDD_HHMMSS-host) that Klipper's build adds
 * to a dirty tree or a mixed toolchain: v0.13.0-730-g84104bbbd or ...-dirty. Two builds of
 * one revision are then equal.
 */
void kf_version_strip(const char *version, char ret[KF_NAME_SIZE]);

#endif
