/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "board/identity.h"
#include "board/last-flash.h"
#include "board/port.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/process.h"
#include "core/text.h"
#include "flash/program.h"
#include "link/serial.h"

enum { CHECK_MS = 20000 };

static const char use[] = "it is needed to flash this board";

int kf_flash_program_find(const char *program, const char *package, struct kf_error *err)
{
	return kf_process_exists(program) ? 0 : kf_process_missing(program, use, package, err);
}

int kf_flash_program_works(const char *const *argv, const char *what, const char *package,
			   struct kf_error *err)
{
	const struct kf_process p = { .argv = argv, .in = -1, .out = -1, .err = -1 };
	int status, r = kf_flash_program_find(argv[0], package, err);

	if (r < 0)
		return r;
	r = kf_process_run(&p, kf_now_ms() + CHECK_MS, &status, err);
	return r < 0 || status == 0 ? r : kf_process_missing(what, use, package, err);
}

int kf_flash_program_pyserial(struct kf_error *err)
{
	static const char *const argv[] = { "python3", "-c", "import serial", NULL };

	return kf_flash_program_works(argv, "Python's module serial", "python3-serial", err);
}

bool kf_flash_program_enters(const struct kf_plan *plan, const struct kf_board *board)
{
	(void)plan;
	(void)board;
	return true;
}

/* Boards that are flashed by hand, each by its own kf-flash at the same time, have no key: their
 * ports tell them apart. */
static void name_board(const struct kf_plan *plan, char ret[KF_DEV_SIZE])
{
	char port[KF_DEV_SIZE];

	kf_port_write(&plan->board, port);
	if (plan->board.key[0])
		kf_text_format(ret, KF_DEV_SIZE, "%s", plan->board.key);
	else
		kf_text_format(ret, KF_DEV_SIZE, "by-hand-%s", basename(port));
}

int kf_flash_program_path(const struct kf_plan *plan, const char *name, char ret[PATH_MAX],
			  struct kf_error *err)
{
	char board[KF_DEV_SIZE];

	name_board(plan, board);
	return kf_path(KF_DIR_CACHE, ret, err, "flash/%s/%s", board, name);
}

int kf_flash_program_image(const struct kf_plan *plan, const struct kf_image *image,
			   char ret[PATH_MAX], struct kf_error *err)
{
	int r = kf_flash_program_path(plan, "klipper.bin", ret, err);

	return r < 0 ? r : kf_file_write(ret, image->data, image->len, err);
}

int kf_flash_program_log(struct kf_flash_program *p, const struct kf_plan *plan,
			 enum kf_method method, struct kf_error *err)
{
	char board[KF_DEV_SIZE];
	int r;

	name_board(plan, board);
	r = kf_path(KF_DIR_STATE, p->log_path, err, "logs/%s-%s.log", board,
		    kf_method_name(method));
	if (r < 0)
		return r;
	p->log = kf_file_log(p->log_path, O_TRUNC, err);
	return p->log < 0 ? p->log : 0;
}

/*
 * From here on the board may be half-written: another program works on it in its bootloader. It
 * brings SAM and AVR there by itself, and bossac erases the flash first (flash_atsam3 of
 * scripts/flash_usb.py).
 */
static int note_begin(const struct kf_plan *plan, const struct kf_board *board,
		      struct kf_error *err)
{
	const char *name =
		kf_loader_name(kf_loader_find(plan->image.dictionary.mcu, KF_LOADER_ANY));

	if (!name[0] && board->mode != KF_MODE_KATAPULT && !kf_board_in_rom(board))
		return 0;
	return kf_last_flash_incomplete(plan->board.key, name[0] ? name : kf_mode_name(board->mode),
					err);
}

int kf_flash_program_begin(struct kf_flash_program *p, const struct kf_plan *plan,
			   const struct kf_board *board, enum kf_method method,
			   struct kf_error *err)
{
	int r = kf_flash_program_log(p, plan, method, err);

	if (r == 0 && board->tty[0])
		r = kf_serial_lock(board->tty, &p->port, err);
	if (board->mode == KF_MODE_KATAPULT)
		kf_closep(&p->port);
	if (r == 0 && kf_stopped())
		r = kf_fail_stopped(err);
	return r < 0 ? r : note_begin(plan, board, err);
}

int kf_flash_program_check(const struct kf_flash_program *p, const char *name, int r, int status,
			   struct kf_error *err)
{
	if (r == 0 && status != 0) {
		r = kf_fail(err, KF_FLASH_FAILED, "%s ended with status %d", name,
			    kf_process_status(status));
		kf_error_hint(err, "read the log, then run the same command again");
	}
	if (r == -ETIMEDOUT)
		kf_fail(err, KF_TIMEOUT, "%s did not end in time", name);
	if (r < 0)
		KF_COPY(err->log, p->log_path);
	return r;
}

int kf_flash_program_run(const struct kf_flash_program *p, const char *name,
			 const char *const *argv, int64_t deadline_ms, struct kf_error *err)
{
	/* A program in Python would write the bytecode of its modules into the user's tree. */
	static const char *const env[] = { "PYTHONDONTWRITEBYTECODE=1", NULL };
	const struct kf_process process = {
		.argv = argv, .env = env, .in = -1, .out = p->log, .err = p->log
	};
	int status = 0, r = kf_process_run(&process, deadline_ms, &status, err);

	return kf_flash_program_check(p, name, r, status, err);
}

void kf_flash_program_end(struct kf_flash_program *p)
{
	kf_closep(&p->log);
	kf_closep(&p->port);
}
