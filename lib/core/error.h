/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Errors: a sentence for the user, and one code for machines.
 *
 * A function that can fail returns 0 or a negative errno and, where errno loses
 * the story, fills the caller's struct kf_error. The code decides everything
 * else: its name in the record, the errno, the exit status and the default hint,
 * all from the one table in error.c (printed in kalico-flash(7)).
 */
#ifndef KF_CORE_ERROR_H
#define KF_CORE_ERROR_H

#include "core/base.h"

enum kf_code {
	KF_OK,
	KF_USAGE,	       /* the command line is wrong */
	KF_BAD_RECORD,	       /* a line on standard input is not a record */
	KF_NEWER_RECORD,       /* a record of a later version than ours */
	KF_NOTHING_CONNECTED,  /* no board at all */
	KF_NOT_CONNECTED,      /* this board is not there */
	KF_GONE,	       /* the board was disconnected meanwhile */
	KF_CAN_BUS,	       /* the CAN interface is down, or its bus carries no frames */
	KF_INTERNAL,	       /* a fault of kalico-flash */
	KF_SERVICE_LOST,       /* a unit that we stopped could not be started again */
	KF_SERVICE,	       /* a unit could not be queried, stopped or started */
	KF_IO,		       /* reading or writing failed */
	KF_BUSY,	       /* another process has it */
	KF_TIMEOUT,	       /* it took too long */
	KF_PROTOCOL,	       /* an answer that the protocol does not allow */
	KF_PERMISSION,	       /* not allowed */
	KF_CONFIG,	       /* a file or setting of the user's is wrong */
	KF_NOT_REGISTERED,     /* no such key in devices.json */
	KF_AMBIGUOUS,	       /* more than one board or device fits */
	KF_NO_CONFIG,	       /* the board has no saved Kconfig */
	KF_CONFIG_DIFFERENCE,  /* the tree makes something else of a saved Kconfig */
	KF_NOT_SAVED,	       /* the user left menuconfig without saving */
	KF_NOT_PROVED,	       /* no configuration that was built made what the board runs */
	KF_NO_TREE,	       /* the Klipper or Kalico directory is not one */
	KF_NO_TOOLCHAIN,       /* a compiler or program that the build needs is missing */
	KF_BUILD_FAILED,       /* make failed */
	KF_NO_FIRMWARE,	       /* nothing built to flash */
	KF_BAD_IMAGE,	       /* the file is not a firmware image that we can read */
	KF_MCU_MISMATCH,       /* two of board, config, image, bootloader disagree */
	KF_WRONG_OFFSET,       /* image and bootloader disagree on the application address */
	KF_TOO_LARGE,	       /* the image goes beyond the end of the flash */
	KF_NO_KATAPULT,	       /* the board started another bootloader, or none */
	KF_FLASH_FAILED,       /* every method was tried */
	KF_VERIFY_FAILED,      /* the bytes read back are not those written */
	KF_LEFT_IN_BOOTLOADER, /* written, but the board did not come back as Klipper */
	KF_WRONG_VERSION,      /* the board is back with another version */
	KF_UNVERIFIED,	       /* written, but the board could not be asked what it runs */
	KF_PRINTING,	       /* a print is running or paused */
	KF_PRINTER_UNKNOWN,    /* it is not known whether a print is running */
	KF_INTERRUPTED,	       /* a signal asked us to stop */
	KF_CODE_COUNT
};

struct kf_error {
	enum kf_code code;
	char message[768]; /* one sentence: what failed, where and why; no full stop, no newline */
	char hint[384];	   /* what to do next; empty: nothing to add */
	char log[512];	   /* path of a log that tells more, or empty */
};

/*
 * Fill err (which may be NULL) and return the negative errno of code, so that
 * "return kf_fail(err, KF_BUSY, ...)" reads well. The hint becomes the table's. err's own message
 * may be an argument.
 */
int kf_fail(struct kf_error *err, enum kf_code code, const char *fmt, ...) _printf_(3, 4);

/* KF_INTERRUPTED: a stop signal ended a wait. The message does not name the wait. */
int kf_fail_stopped(struct kf_error *err);

/*
 * The same for a system call: errnum (positive) chooses the code (EACCES and
 * EPERM: permission; EBUSY and EAGAIN: busy; ENODEV and ENXIO: gone; ETIMEDOUT:
 * timeout; else io) and its text is appended as ": text". EINTR is kf_fail_stopped().
 * EACCES, EROFS and ENOSPC have a hint of their own. Returns -errnum.
 */
int kf_fail_sys(struct kf_error *err, int errnum, const char *fmt, ...) _printf_(3, 4);

/* Put "context: " before the message, unless a stop signal is the reason. */
void kf_error_prefix(struct kf_error *err, const char *fmt, ...) _printf_(2, 3);

/*
 * Replace the hint; its old text may be an argument. Returns the negative errno of err's code
 * (NULL: of the last kf_fail's), so that "return kf_error_hint(err, ...)" can follow kf_fail.
 */
int kf_error_hint(struct kf_error *err, const char *fmt, ...) _printf_(2, 3);

/* A text that is the same for all boards says "kf set KEY": put the key there. */
void kf_error_put_key(char *text, size_t size, const char *key);

/*
 * For the board with this key (empty: none): "kf set KEY" becomes the command to type, and a hint
 * that is the table's gets its command.
 */
void kf_error_for(struct kf_error *err, const char *key);

/* The code of a name in a record ("busy"); KF_CODE_COUNT: the name is not known. */
enum kf_code kf_code_find(const char *name);

/* The code's name in a record, its exit status, its negative errno. */
const char *kf_code_name(enum kf_code code);
int kf_code_status(enum kf_code code);
int kf_code_errno(enum kf_code code);

#endif
