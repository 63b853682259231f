/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Another program while it works on a board: its output goes to a log of the board and the method,
 * which the error names, and the port is ours meanwhile.
 */
#ifndef KF_FLASH_PROGRAM_H
#define KF_FLASH_PROGRAM_H

#include "flash/plan.h"

struct kf_flash_program {
	char log_path[PATH_MAX];
	int log, port;
};

#define KF_FLASH_PROGRAM_NONE                                                                      \
	{                                                                                          \
		.log = -1, .port = -1                                                              \
	}

/* Is the program there, which Debian's package has? KF_NO_TOOLCHAIN. */
_must_check_ int kf_flash_program_find(const char *program, const char *package,
				       struct kf_error *err);

/* Does this command succeed? Else what, or its program, is missing. KF_NO_TOOLCHAIN, KF_TIMEOUT,
 * KF_INTERRUPTED. */
_must_check_ int kf_flash_program_works(const char *const *argv, const char *what,
					const char *package, struct kf_error *err);

/* Is there the module serial, which flashtool.py imports first of all? Errors as above. */
_must_check_ int kf_flash_program_pyserial(struct kf_error *err);

/* The enters of a row whose program always brings the board into its bootloader itself. */
bool kf_flash_program_enters(const struct kf_plan *plan, const struct kf_board *board);

/* The path of a file of that name for the flash of this board, which nobody else writes to. */
_must_check_ int kf_flash_program_path(const struct kf_plan *plan, const char *name,
				       char ret[PATH_MAX], struct kf_error *err);

/*
 * A copy of the image's bytes, as klipper.bin: of a file by another name flashtool.py does not
 * check the MCU.
 */
_must_check_ int kf_flash_program_image(const struct kf_plan *plan, const struct kf_image *image,
					char ret[PATH_MAX], struct kf_error *err);

/* Open the log alone; it is empty then. */
_must_check_ int kf_flash_program_log(struct kf_flash_program *p, const struct kf_plan *plan,
				      enum kf_method method, struct kf_error *err);

/*
 * Open the log, lock the board's port, and note that the firmware may be incomplete from now on.
 * Only flashtool.py, which make flash runs too for a board in Katapult, takes the same lock itself
 * (serial.Serial(exclusive=True)): for such a board the port is free again. Errors as
 * kf_serial_lock and kf_last_flash_incomplete.
 */
_must_check_ int kf_flash_program_begin(struct kf_flash_program *p, const struct kf_plan *plan,
					const struct kf_board *board, enum kf_method method,
					struct kf_error *err);

/*
 * Judge the run of the program, which returned r and the status of wait(2): KF_FLASH_FAILED unless
 * both are 0. The error names the log.
 */
int kf_flash_program_check(const struct kf_flash_program *p, const char *name, int r, int status,
			   struct kf_error *err);

/* Run the program, called name, with its output in the log, and judge it. */
_must_check_ int kf_flash_program_run(const struct kf_flash_program *p, const char *name,
				      const char *const *argv, int64_t deadline_ms,
				      struct kf_error *err);

void kf_flash_program_end(struct kf_flash_program *p);

#endif
