/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The method bossac: the program for the bootloaders of Atmel's SAM, with the arguments that a
 * tree's make flash gives it (src/atsam/Makefile, src/atsamd/Makefile and scripts/flash_usb.py of
 * Klipper and Kalico).
 */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "firmware/chip.h"
#include "firmware/loader.h"
#include "flash/serial-loader.h"

enum {
	/* flash_usb.py waits so long for a SAM4 after its reset, then resets it once more. */
	RESET_MS = 4000,
	ARGS_MAX = 12,
};

/* bossac reaches a SAM over cdc_acm: its own USB, or an Arduino Due's programming port. */
static bool is_acm(const struct kf_methods_for *with)
{
	static const char acm[] = "/dev/ttyACM";

	return !with->board || strncmp(with->board->tty, acm, sizeof(acm) - 1) == 0;
}

static const char *why_not(const struct kf_methods_for *with)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);
	const char *no_port = kf_serial_loader_why_not(with);

	if (!loader || loader->program != KF_PROGRAM_BOSSAC)
		return "bossac is for Atmel's SAM alone";
	if (no_port)
		return no_port;
	if (with->by_uart && !is_acm(with))
		return "bossac reaches it over USB alone";
	return loader->entered ? NULL : "its Klipper cannot start a bootloader";
}

static int check(const struct kf_methods_for *with, struct kf_error *err)
{
	(void)with;
	return kf_flash_program_find("bossac", "bossa-cli", err);
}

/* Is it the port of the Due's second chip? That erases the SAM at a touch, and stays. */
static bool is_programming_port(const struct kf_board *board)
{
	return (strcmp(board->usb.vendor, "2341") == 0 || strcmp(board->usb.vendor, "2a03") == 0) &&
	       strcmp(board->usb.product, "003d") == 0;
}

/*
 * Wait until there is Klipper on the USB port of a board that was in its bootloader from the
 * beginning, where it shows no serial number. KF_GONE.
 */
static int come_back(struct kf_monitor *monitor, const struct kf_board *board, int64_t deadline_ms,
		     struct kf_board *ret, struct kf_error *err)
{
	int r = kf_serial_loader_await(monitor, board, true, deadline_ms, ret, err);

	if (r != -ETIMEDOUT)
		return r;
	kf_fail(err, KF_GONE, "no Klipper came at USB port %s", board->usb.port);
	return kf_error_hint(err, "check that its firmware is built for USB and for this chip");
}

/* Run bossac with these arguments, whose list ends with NULL. */
static int bossac(struct kf_serial_loader *job, const char *const *what, struct kf_error *err)
{
	const struct kf_chip *chip = kf_chip_find(job->attempt->image->dictionary.mcu);
	uint32_t flash = chip && job->start >= chip->flash ? chip->flash : 0;
	char port[KF_DEV_SIZE + 8], offset[32];
	const char *argv[ARGS_MAX] = { "bossac", port, offset };
	size_t n = 3;
	int r;

	argv[n++] = is_programming_port(&job->board) ? "--usb-port=0" : "--usb-port=1";
	for (size_t i = 0; what[i] && n < ARGS_MAX - 1; i++)
		argv[n++] = what[i];
	kf_text_format(port, sizeof(port), "--port=%s", job->board.tty);
	kf_text_format(offset, sizeof(offset), "--offset=0x%x", job->start - flash);
	r = kf_serial_loader_run(job, "bossac", argv, err);
	/* bossac waits 0.1 s for an answer, too short on a busy machine. A command may come
	 * twice. */
	return r < 0 && err && err->code == KF_FLASH_FAILED
		       ? kf_serial_loader_run(job, "bossac", argv, err)
		       : r;
}

/* A SAM4 may need this command twice (flash_bossac() of scripts/flash_usb.py). */
static int start(struct kf_serial_loader *job, struct kf_error *err)
{
	static const char *const argv[] = { "--boot=1", "--reset", NULL };
	struct kf_board now;
	int r = bossac(job, argv, err);

	if (r < 0 || is_programming_port(&job->board) ||
	    kf_serial_loader_await(job->attempt->monitor, &job->board, true,
				   kf_within_ms(RESET_MS, job->attempt->deadline_ms), &now,
				   NULL) != -ETIMEDOUT ||
	    kf_serial_loader_await(job->attempt->monitor, &job->board, false, kf_now_ms(), &now,
				   NULL) < 0)
		return r;
	job->board = now;
	IGNORE_RESULT(bossac(job, argv, NULL)); /* the board's return tells whether it did */
	return 0;
}

static int write_flash(struct kf_serial_loader *job, struct kf_error *err)
{
	const char *mcu = job->attempt->image->dictionary.mcu;
	bool samd = strcmp(kf_loader_name(kf_loader_find(mcu, KF_LOADER_ANY)), "samd") == 0;
	char bytes[32];
	const char *write[6] = { "--write", "--verify" };
	const char *const read[] = { bytes, job->read, NULL };
	size_t n = 2;
	int r;

	/* SAMD's bootloaders erase what they write; --erase would erase all behind the offset. */
	if (!samd)
		write[n++] = "--erase";
	if (!samd && is_programming_port(&job->board))
		write[n++] = "--arduino-erase";
	write[n] = job->image;
	kf_text_format(bytes, sizeof(bytes), "--read=0x%zx", job->attempt->image->len);
	kf_progress_step(job->attempt->progress, "bossac --port=%s: writing", job->board.tty);
	r = bossac(job, write, err);
	if (r < 0)
		return r;
	kf_progress_step(job->attempt->progress, "bossac --port=%s: reading back", job->board.tty);
	r = bossac(job, read, err);
	if (r == 0)
		r = kf_serial_loader_compare(job, err);
	return r < 0 ? r : start(job, err);
}

/*
 * Nothing is written: KF_NO_KATAPULT (it stays in its firmware), KF_GONE (no bootloader comes),
 * KF_WRONG_OFFSET, KF_BUSY, KF_PERMISSION, KF_IO.
 * Something may be written: KF_FLASH_FAILED with the program's log, KF_VERIFY_FAILED, KF_TIMEOUT,
 * KF_INTERRUPTED.
 */
static int write_board(struct kf_attempt *a, struct kf_error *err)
{
	bool programming_port = is_programming_port(a->board); /* bossac itself touches it */
	struct kf_serial_loader job;
	int r;

	if (a->board->mode != KF_MODE_KLIPPER && !programming_port)
		a->come_back = come_back;
	r = kf_serial_loader_prepare(a, &job, err);
	if (r == 0 && !programming_port)
		r = kf_serial_loader_enter(&job, false, err);
	if (r == 0)
		r = kf_serial_loader_begin(&job, err);
	if (r == 0)
		r = write_flash(&job, err);
	return kf_serial_loader_end(&job, r, err);
}

const struct kf_method_row kf_method_bossac = {
	.why_not = why_not,
	.check = check,
	.enters = kf_flash_program_enters,
	.write = write_board,
	.of_chip = true,
	.names_tell = true,
	.readback = true,
	.foreign = true,
};
