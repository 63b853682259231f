/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One board as it is seen now: the record's "board" member in C. Plain values, no
 * ownership. Empty strings mean null in the record. Everything in it is clean text.
 */
#ifndef KF_BOARD_BOARD_H
#define KF_BOARD_BOARD_H

#include <sys/types.h>

#include "board/can-uuid.h"
#include "core/error.h"

#define KF_KEY_SIZE 65 /* a registry key: at most 64 characters */
#define KF_BAUD_DEFAULT                                                                            \
	250000		   /* of Klipper's Kconfig, its klippy/mcu.py, and Katapult's Kconfig      \
			    */
#define KF_REASON_SIZE 320 /* a sentence that names a board by two serial numbers */

enum kf_mode {
	KF_MODE_NONE, /* not connected */
	KF_MODE_KLIPPER,
	KF_MODE_KATAPULT, /* Katapult, formerly CanBoot */
	KF_MODE_DFU,	  /* STM32's ROM bootloader: no tty, no chip serial */
	KF_MODE_RP2BOOT,  /* RP2040's and RP2350's BOOTSEL: likewise */
	KF_MODE_OTHER,	  /* a USB serial device that is none of these */
};

struct kf_holder {
	pid_t pid;		    /* 0: nobody has the port open, or nobody that we may see */
	char command[KF_NAME_SIZE]; /* its comm */
	char unit[KF_NAME_SIZE];    /* its systemd service, or empty */
};

#define KF_DRAIN_COMMAND "kf-drain" /* the comm of the process that lib/link/drain.h starts */

struct kf_usb {
	char vendor[5], product[5]; /* lower-case hex */
	char manufacturer[KF_NAME_SIZE], model[KF_NAME_SIZE], serial[KF_NAME_SIZE];
	char port[64];	    /* the USB port as sysfs names it: "1-1.2" */
	char interface[24]; /* how udev ends its by-id name: "if00", "if00-port0"; not recorded */
};

/* The wire between host and board, and what names the board on it. */
enum kf_wire {
	KF_WIRE_NONE,	    /* not known */
	KF_WIRE_USB_SERIAL, /* link.path: by-id, else tty */
	KF_WIRE_USB,	    /* a bootloader without tty: only usb.port names it */
	KF_WIRE_UART,	    /* link.path and link.baud */
	KF_WIRE_CAN,	    /* link.interface and link.uuid; a bridge has its usb.port, too */
	KF_WIRE_PROCESS,    /* the host's own MCU: link.path is its socket or pty */
};

struct kf_board_link {
	enum kf_wire type;
	char path[KF_DEV_SIZE];
	uint32_t baud;		/* 0: not known */
	uint32_t katapult_baud; /* likewise: Katapult's own may differ */
	char interface[16];	/* can0 */
	char uuid[KF_CAN_UUID_SIZE];
};

/* The printer whose configuration names the board. */
struct kf_board_printer {
	char unit[KF_NAME_SIZE]; /* its service; empty: none, or not known */
	char name[64];		 /* printer/printer.h says how it is found */
	char mcu[64];		 /* empty: no printer configures the board; [mcu] is "mcu" */
};

struct kf_board {
	char key[KF_KEY_SIZE];	     /* empty: not registered */
	char name[KF_NAME_SIZE];     /* the registry's, else empty */
	char mcu[64];		     /* the registry's; else what USB says; else empty */
	bool excluded;		     /* never to be flashed */
	char reason[KF_REASON_SIZE]; /* why excluded, or what is odd about this board */
	bool connected;
	enum kf_mode mode;
	char tty[KF_DEV_SIZE]; /* /dev/ttyACM0; empty in DFU and BOOTSEL */
	char by_id[KF_DEV_SIZE], by_path[KF_DEV_SIZE];
	char version[KF_NAME_SIZE]; /* of the firmware that it runs, by its own word; empty: not
				       asked */
	char incomplete[64]; /* the bootloader of a flash that was not verified: board/last-flash.h
			      */
	/* Known by its USB port, whatever serial number it shows there; not recorded. */
	bool by_port;
	struct kf_holder holder;
	struct kf_board_link link;
	struct kf_board_printer printer;
	struct kf_usb usb;
};

/* "klipper", "katapult", "dfu", "rp2boot", "other"; KF_MODE_NONE is NULL. */
const char *kf_mode_name(enum kf_mode mode);

/* "usb-serial", "usb", "uart", "can", "process"; KF_WIRE_NONE is NULL. */
const char *kf_wire_name(enum kf_wire wire);

/* A sentence about a holder of ours, kf-drain; empty: the holder is another program, or none. */
const char *kf_holder_remark(const struct kf_holder *holder);

/*
 * A registry key from a person's name for a board: accents folded ("Têtière" is "tetiere"), ASCII,
 * lower case, runs of space, '_', '.' and '-' to one '-', others dropped, at most 64. Returns false
 * if nothing is left.
 */
bool kf_key_from_name(const char *name, char ret[KF_KEY_SIZE]);

/*
 * The key to propose for a board that is not registered: its printer's name for it, with the
 * printer's own in front where that is asked for. False: no printer names it.
 */
bool kf_key_from_printer(const struct kf_board *board, bool with_printer, char ret[KF_KEY_SIZE]);

/* ^[a-z0-9][a-z0-9_-]*$, at most 64 characters. Such a key is safe as a file name. */
bool kf_key_valid(const char *key);

/* A new reference. */
json_t *kf_board_to_json(const struct kf_board *board);

/* Read and clean; -EBADMSG with the member's name when a type is wrong. */
_must_check_ int kf_board_from_json(const json_t *obj, struct kf_board *ret, struct kf_error *err);

/*
 * What messages call it: the key, else the name of its printer's MCU, else the by-id name, the tty,
 * the USB port or the UUID on CAN.
 */
const char *kf_board_label(const struct kf_board *board);

#endif
