/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The steps that the methods avrdude and bossac share; only their two files include this. A
 * bootloader answers on the board's own serial port, and a touch of that port at 1200 baud starts
 * it. A program writes through it, then reads the flash back into a file, which is compared here.
 */
#ifndef KF_FLASH_SERIAL_LOADER_H
#define KF_FLASH_SERIAL_LOADER_H

#include "flash/attempt.h"
#include "flash/program.h"

/* One board and the program that writes it. */
struct kf_serial_loader {
	struct kf_attempt *attempt;
	struct kf_flash_program program;
	struct kf_board board; /* as its bootloader shows it */
	char image[PATH_MAX];  /* the file with the image's bytes */
	char read[PATH_MAX];   /* the file that the program reads the flash into */
	uint32_t start;	       /* the address of the image's first byte */
};

/* For a row's why_not: the reason why the board's own serial port does not lead to it, or NULL. */
const char *kf_serial_loader_why_not(const struct kf_methods_for *with);

/*
 * Find the image's start, and put the image into its file. No file that could be taken for what was
 * read is left. *ret is set up on failure too. KF_WRONG_OFFSET; errors of writing a file.
 */
_must_check_ int kf_serial_loader_prepare(struct kf_attempt *a, struct kf_serial_loader *ret,
					  struct kf_error *err);

/*
 * Bring the board from firmware on its own USB into its bootloader, unless that runs already.
 * by_hand: its firmware does not listen to the touch, so its owner is asked to press the reset
 * button. KF_NO_KATAPULT: it stays in its firmware; KF_GONE: no bootloader comes; errors of
 * kf_serial_touch_1200.
 */
_must_check_ int kf_serial_loader_enter(struct kf_serial_loader *job, bool by_hand,
					struct kf_error *err);

/* From here on something may be written. Errors of kf_flash_program_begin. */
_must_check_ int kf_serial_loader_begin(struct kf_serial_loader *job, struct kf_error *err);

/* Run the program, called name. Errors of kf_flash_program_run, with the remedy as their hint. */
_must_check_ int kf_serial_loader_run(struct kf_serial_loader *job, const char *name,
				      const char *const *argv, struct kf_error *err);

/* Compare the file that the program has read with the image. KF_VERIFY_FAILED. */
_must_check_ int kf_serial_loader_compare(struct kf_serial_loader *job, struct kf_error *err);

/* Close the port and the log; an error names the log if something may be written. Returns r. */
int kf_serial_loader_end(struct kf_serial_loader *job, int r, struct kf_error *err);

/*
 * Wait for a serial port on the board's USB port: of Klipper, or else of what may be a bootloader.
 * -ETIMEDOUT: none came, and err is untouched; else errors of kf_monitor_wait.
 */
_must_check_ int kf_serial_loader_await(struct kf_monitor *monitor, const struct kf_board *board,
					bool klipper, int64_t deadline_ms, struct kf_board *ret,
					struct kf_error *err);

#endif
