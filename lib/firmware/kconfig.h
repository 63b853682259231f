/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A Kconfig .config: lines CONFIG_NAME=value, and the board that they are for. */
#ifndef KF_FIRMWARE_KCONFIG_H
#define KF_FIRMWARE_KCONFIG_H

#include "core/error.h"

enum kf_comm {
	KF_COMM_UNKNOWN,
	KF_COMM_USB,
	KF_COMM_CAN,
	KF_COMM_USBCAN, /* USB to CAN bus bridge */
	KF_COMM_SERIAL,
};

struct kf_kconfig {
	char *text; /* owned */
	size_t len;
	char mcu[64]; /* CONFIG_MCU, else CONFIG_BOARD_DIRECTORY ("linux") */
	/* CONFIG_FLASH_APPLICATION_ADDRESS, which trees before Klipper 9b342c65c (2022-12) call
	 * FLASH_START; 0 where the MCU has none (AVR). */
	uint32_t start;
	enum kf_comm comm;
};

/*
 * Read and check that each line is one that Kconfig writes: make includes the file as a part of its
 * own, where "$(shell ...)" runs, and Klipper's Makefiles hand values to a shell. KF_CONFIG names
 * the line. A byte order mark is no part of the text.
 */
_must_check_ int kf_kconfig_load(const char *path, struct kf_kconfig *ret, struct kf_error *err);
/* The same for text that is no file; name says in messages where it comes from. */
_must_check_ int kf_kconfig_parse(const char *name, const char *text, size_t len,
				  struct kf_kconfig *ret, struct kf_error *err);
void kf_kconfig_free(struct kf_kconfig *config);

/*
 * The value of CONFIG_<symbol>, unquoted, into ret. False if it is unset ("is not set"
 * or absent).
 */
bool kf_kconfig_get(const struct kf_kconfig *config, const char *symbol, char *ret, size_t size);

/* The name of the next symbol that is assigned; *at is config->text first. False at the end. */
bool kf_kconfig_next(const char **at, char ret[KF_NAME_SIZE]);

/*
 * "stm32h723xx, application at 0x08020000, usb"; without the interface where the configuration does
 * not say which it is.
 */
void kf_kconfig_summary(const struct kf_kconfig *config, char *ret, size_t size);

const char *kf_comm_name(enum kf_comm comm); /* "usb", "can", "usbcan", "serial", "unknown" */

/* Does the file at path hold exactly this text? */
bool kf_kconfig_is_file(const struct kf_kconfig *config, const char *path);

#endif
