/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How the Kconfig of Klipper and Kalico calls what a board's constants say, family by family: a
 * table (src/<family>/Kconfig, and DECL_CONSTANT in the .c files beside it).
 */
#ifndef KF_BUILD_FAMILY_H
#define KF_BUILD_FAMILY_H

#include "core/base.h"

/* The subjects that a person decides in menuconfig. */
enum kf_subject {
	KF_SUBJECT_MODEL,
	KF_SUBJECT_OFFSET,
	KF_SUBJECT_CLOCK,
	KF_SUBJECT_CRYSTAL,
	KF_SUBJECT_FLASH_CHIP,
	KF_SUBJECT_COMM,
	KF_SUBJECT_CAN_PINS,
	KF_SUBJECT_SPEED,
	KF_SUBJECT_PINS,
	KF_SUBJECT_OTHER, /* never asked */
	KF_SUBJECT_COUNT
};

struct kf_family {
	const char *mcus[6]; /* fnmatch(3) patterns of Kconfig's MCU, in any case */
	const char *mach;    /* the symbol that chooses it */
	const char *folder;  /* below src */
	/* Symbols of a wire where no pins tell more; NULL: there is none, or pins must tell. */
	const char *usb, *serial, *can, *bridge;
	const char *offset; /* how the symbols of bootloader offsets begin; NULL: no choice */
	uint32_t base;	    /* that offsets count from */
};

/* NULL: not a family that we know. */
const struct kf_family *kf_family_find(const char *mcu);

/*
 * The symbols for a subject that a constant with this value means, each in turn: *at is 0 first.
 * value NULL: for a firmware that does not have this constant. NULL: no more.
 */
const char *kf_family_symbol(const struct kf_family *family, const char *mcu,
			     enum kf_subject subject, const char *constant, const char *value,
			     size_t *at);

/* The symbol for an application at this address, as far as it follows the family's naming. */
bool kf_family_offset(const struct kf_family *family, const char *mcu, uint32_t start, char *ret,
		      size_t size);

/*
 * Returns a command, and the symbol of its feature: firmware without the command was built without
 * the feature. Each in turn: *at is 0 first. NULL: no more.
 */
const char *kf_family_feature(const char *mcu, size_t *at, const char **ret_symbol);

/* Is this symbol one of the entries that menuconfig has for the subject? By its name. */
bool kf_subject_has(enum kf_subject subject, const char *symbol);

const char *kf_subject_name(enum kf_subject subject); /* "bootloader offset", "crystal" ... */

#endif
