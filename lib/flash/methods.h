/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of the methods, and by which of them a board can be flashed: decided before the board
 * leaves its firmware, for it must never be sent into a bootloader that nothing here can talk to.
 */
#ifndef KF_FLASH_METHODS_H
#define KF_FLASH_METHODS_H

#include "firmware/loader.h"
#include "registry/method.h"
#include "registry/registry.h"

struct kf_attempt;
struct kf_plan;
struct kf_progress;
struct kf_rom_row;

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
	bool insist;				/* the owner says that it has Katapult */
	const char *klipper_dir, *katapult_dir; /* expanded */
};

/*
 * A method. The code that plans, flashes and proves reads its row and knows no method by name. A
 * function that is NULL has nothing to do.
 */
struct kf_method_row {
	/* Returns the reason why it is not for this board, as a part of a sentence; NULL: it is. */
	const char *(*why_not)(const struct kf_methods_for *with);
	/* Are its programs, libraries and rights there? Errors of kf_methods_check. */
	int (*check)(const struct kf_methods_for *with, struct kf_error *err);
	/* Do what may take minutes, once, before a service stops. KF_NO_TOOLCHAIN. */
	int (*prepare)(const struct kf_plan *plan, const struct kf_progress *progress,
		       struct kf_error *err);
	/* Can the method begin, with the board as it is now? Asked for the plan, and once more
	 * before the board enters its bootloader. */
	int (*ready)(const struct kf_plan *plan, const struct kf_board *board,
		     struct kf_error *err);
	/* Does it bring the board into the bootloader itself? NULL: it does not. */
	bool (*enters)(const struct kf_plan *plan, const struct kf_board *board);
	/* Write, read back where it does that, and start the firmware. Sets the results in a. */
	int (*write)(struct kf_attempt *a, struct kf_error *err);
	const struct kf_rom_row *rom; /* of a bootloader in the chip's ROM (rom.h), else NULL */
	const char *bootloader;	      /* the one that we enter for it; NULL: any */
	enum kf_mode mode;	      /* of a board in that bootloader; KF_MODE_NONE: any */
	int64_t least_ms;	      /* it may take so long, whatever the options say */
	/* It is for the bootloader that all chips of a family have, or for the host's own MCU. The
	 * last such row of the table is the last resort of every chip. */
	bool of_chip;
	bool alone; /* no other method follows it */
	/* Before it writes, it asks Katapult for MCU and address itself. */
	bool asks_katapult;
	/* A board that is not Klipper by its USB names is in the bootloader: it is not asked. */
	bool names_tell;
	bool readback; /* every byte is read back, and compared by us */
	bool foreign;  /* it is another program, whose exit status proves nothing */
	/* Its program may take another board for this one: it runs for one board at a time. */
	bool takes_turns;
	/* The board installs the image by itself, later, and may want to be power-cycled first. */
	bool installs_later;
};

const struct kf_method_row *kf_method_row(enum kf_method method);

extern const struct kf_method_row kf_method_katapult, kf_method_picoboot, kf_method_dfu,
	kf_method_avrdude, kf_method_bossac, kf_method_host_mcu, kf_method_make_flash,
	kf_method_flashtool, kf_method_dfu_util, kf_method_sdcard;

struct kf_methods {
	enum kf_method list[2]; /* in the order of trying */
	size_t count;
};

/*
 * Choose. Katapult is left out where the chip has none or the firmware leaves no room for it. On a
 * UART it is left out unless the owner says that it is there (on the command line, for this board
 * in the registry, or by hand): a board without Katapult would wait in a bootloader that nothing
 * there reaches. make flash is left out where it cannot reach the chip. If the command line names
 * such a method, it is refused. A board without Katapult goes to the first method of its chip that
 * is for it. One whose SD board is registered is written by sdcard alone: another method could
 * erase the bootloader that reads the card. KF_CONFIG: there is no method of this name.
 * KF_NO_KATAPULT: no method is left; the message says why neither the wanted one nor that of the
 * chip.
 */
_must_check_ int kf_methods_choose(const struct kf_methods_for *with, struct kf_methods *ret,
				   struct kf_error *err);

/*
 * Are the programs, libraries and rights there that these methods need? Those of the second method,
 * too, if the board may come up in a bootloader in ROM. KF_CONFIG: no flashtool.py.
 * KF_NO_TOOLCHAIN: something is missing; the hint names Debian's package. KF_PERMISSION: this
 * user may not open the board's serial port, or udev will not let him open the bootloader.
 */
_must_check_ int kf_methods_check(const struct kf_methods_for *with,
				  const struct kf_methods *methods, struct kf_error *err);

/* The name of the method to try first: that for this board, else the registry's for all. */
const char *kf_methods_wanted(const struct kf_methods_for *with);

/* For a row's why_not: is the board connected and in this mode, or in a bootloader in ROM? */
bool kf_methods_in_mode(const struct kf_methods_for *with, enum kf_mode mode);
bool kf_methods_in_rom(const struct kf_methods_for *with);

/* Klipper on an AVR's own USB cannot start the bootloader (src/avr has no bootloader_request()). */
bool kf_methods_usb_avr(const struct kf_methods_for *with);

/* A row's check: will udev let this user open the ROM of the chip? KF_PERMISSION. */
_must_check_ int kf_methods_check_rule(const struct kf_methods_for *with, struct kf_error *err);

#endif
