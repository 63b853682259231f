/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ways to flash a board, by the words that options, devices.json and records have for them. */
#ifndef KF_REGISTRY_METHOD_H
#define KF_REGISTRY_METHOD_H

#include "core/error.h"

enum kf_method {
	KF_METHOD_KATAPULT,
	KF_METHOD_PICOBOOT,
	KF_METHOD_DFU,
	KF_METHOD_AVRDUDE,
	KF_METHOD_BOSSAC,
	KF_METHOD_HOST_MCU, /* the program of this machine's own MCU, a Linux process */
	KF_METHOD_MAKE_FLASH,
	KF_METHOD_FLASHTOOL,
	KF_METHOD_DFU_UTIL,
	KF_METHOD_SDCARD, /* the tree's flash-sdcard.sh */
	KF_METHOD_COUNT
};

/* The choices, for messages. */
#define KF_METHODS                                                                                 \
	"katapult, picoboot, dfu, avrdude, bossac, host_mcu, make_flash, flashtool, dfu_util or "  \
	"sdcard"

/* The words are those of KF_METHODS. */
const char *kf_method_name(enum kf_method method);

/* False: there is none of that name. ret may be NULL. */
bool kf_method_find(const char *name, enum kf_method *ret);

/* -EINVAL (KF_USAGE) if text, the value of the option of that long name, is not a flash method. */
_must_check_ int kf_method_check(const char *option, const char *text, struct kf_error *err);

/* Can the method be for this MCU? True for all but host_mcu if the MCU is not known. */
bool kf_method_suits(enum kf_method method, const char *mcu);

/* KF_USAGE if the method cannot be for this MCU; the hint names those that can. */
_must_check_ int kf_method_check_mcu(const char *name, const char *mcu, struct kf_error *err);

/* The flash method for a chip without Katapult (AVR, SAM, the host's own MCU); "": the default. */
const char *kf_method_proposed(const char *mcu);

#endif
