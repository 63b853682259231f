/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * By which methods a board can be flashed, and what these need: decided before the board leaves its
 * firmware, for it must never be sent into a bootloader that nothing here can talk to.
 */
#ifndef KF_FLASH_METHODS_H
#define KF_FLASH_METHODS_H

#include "firmware/loader.h"
#include "registry/method.h"
#include "registry/registry.h"

/* The known facts of a board and its firmware. */
struct kf_methods_for {
	const struct kf_board *board;		/* NULL: it is not plugged in */
	const char *key;			/* for hints; NULL: it has none */
	const char *mcu;			/* as the firmware's Kconfig spells it */
	uint32_t start;				/* of the application; KF_LOADER_ANY: not known */
	bool by_uart;				/* on a UART, or behind a USB-to-serial chip */
	bool by_can;				/* a node on CAN */
	bool file;				/* named by hand: make flash does not take it */
	const char *named;			/* the method on the command line, or NULL */
	const char *own;			/* the registry's for this board, or NULL */
	const char *sdcard_board;		/* the registry's, or NULL */
	const char *usual;			/* the registry's for all boards */
	bool fallback;				/* a second method may follow */
	const char *klipper_dir, *katapult_dir; /* expanded */
};

struct kf_methods {
	enum kf_method list[2]; /* in the order of trying */
	size_t count;
};

/*
 * Choose. Katapult is left out where there can be none (the chip has none, or the firmware leaves
 * no room for it), and on a UART where the owner does not say that it is there (on the command
 * line, for this board in the registry, or by hand): what would wait instead nothing there reaches;
 * make flash where it cannot reach the chip; what the command line names is refused then. A board
 * without Katapult goes to the method of the bootloader in its chip: picoboot, else make flash; and
 * the host's own MCU to host_mcu. One whose SD board is registered is written by sdcard, and
 * nothing follows that: another method could erase the bootloader that reads the card. KF_CONFIG: a
 * method that there is none of. KF_NO_KATAPULT: no method is left; the message says why for each.
 */
_must_check_ int kf_methods_choose(const struct kf_methods_for *with, struct kf_methods *ret,
				   struct kf_error *err);

/*
 * Why the board cannot be in a Katapult that we speak to, as a part of a sentence; NULL: it may be.
 * Of with, board, mcu, start, by_uart and own count.
 */
const char *kf_methods_no_katapult(const struct kf_methods_for *with);

/*
 * Are the programs, libraries and rights there that these methods need? Those of the second method,
 * too, if the board may come up in a bootloader in ROM. KF_CONFIG: no flashtool.py.
 * KF_NO_TOOLCHAIN: something is missing; the hint names Debian's package. KF_PERMISSION: udev
 * will not let this user open the bootloader.
 */
_must_check_ int kf_methods_check(const struct kf_methods_for *with,
				  const struct kf_methods *methods, struct kf_error *err);

/* Is it avrdude or bossac (programmer.h)? kf_method_name is the name of the program. */
bool kf_programmer_is(enum kf_method method);

/* A program that make flash runs: it is installed, or make flash builds it in the tree. */
struct kf_flash_tool {
	const char *run, *package; /* Debian's, if it is installed */
	/* If it is built: folder/file of the tree, by the folder's make; NULL: its first target. */
	const char *folder, *file, *target, *compiler;
	bool libusb;
};

/* The one that make flash builds for such a chip, or NULL. */
const struct kf_flash_tool *kf_methods_tool(const char *mcu, uint32_t start);

/* katapult_dir's flashtool.py, else the tree's own copy (Klipper keeps one, and Kalico). KF_CONFIG.
 */
_must_check_ int kf_flashtool_find(const char *klipper_dir, const char *katapult_dir,
				   char ret[PATH_MAX], struct kf_error *err);

#endif
