/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The methods avrdude and bossac: the programs for the bootloaders of AVR and of Atmel's SAM, with
 * the arguments that a tree's make flash gives them (src/avr/Makefile, src/atsam/Makefile,
 * src/atsamd/Makefile and scripts/flash_usb.py of Klipper and Kalico). What the program has written
 * it reads back into a file, which is compared here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board/identity.h"
#include "board/last-flash.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/process.h"
#include "core/text.h"
#include "firmware/chip.h"
#include "flash/program.h"
#include "flash/rom.h"
#include "flash/target.h"
#include "link/serial.h"
#include "usb/monitor.h"

enum {
	ENTER_MS = 10000,
	/* flash_usb.py waits so long for a SAM4 after its reset, then resets it once more. */
	RESET_MS = 4000,
	/* SAMD's applications start at 0x2000 or 0x4000, all others where the flash does. */
	START_UNIT = 0x2000,
	ARGS_MAX = 12,
	PART_UNIT = 1024,
};

#define PART "kalico-flash" /* the name that a part has for avrdude */

/* One board and its program. */
struct job {
	struct kf_attempt *attempt;
	struct kf_flash_program program;
	struct kf_board board; /* as its bootloader shows it */
	char image[PATH_MAX], read[PATH_MAX];
	uint32_t start; /* the address of the image's first byte */
};

/* A bootloader on the board's serial port is reached by no other way. */
static const char *not_its_port(const struct kf_methods_for *with)
{
	return with->by_can || kf_methods_in_mode(with, KF_MODE_KATAPULT)
		       ? "it is reached over its own serial port alone"
		       : NULL;
}

static const char *no_avrdude(const struct kf_methods_for *with)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);

	if (!loader || loader->program != KF_PROGRAM_AVRDUDE)
		return "avrdude is for AVR alone";
	if (!not_its_port(with) && kf_methods_usb_avr(with) &&
	    (!with->named || strcmp(with->named, "avrdude") != 0))
		return "its Klipper cannot start its bootloader";
	return not_its_port(with);
}

/* The programs reach a SAM over cdc_acm: its own USB, or an Arduino Due's programming port. */
static bool is_acm(const struct kf_methods_for *with)
{
	static const char acm[] = "/dev/ttyACM";

	return !with->board || strncmp(with->board->tty, acm, sizeof(acm) - 1) == 0;
}

static const char *no_bossac(const struct kf_methods_for *with)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);

	if (!loader || loader->program != KF_PROGRAM_BOSSAC)
		return "bossac is for Atmel's SAM alone";
	if (!not_its_port(with) && with->by_uart && !is_acm(with))
		return "bossac reaches it over USB alone";
	if (!not_its_port(with) && !loader->entered)
		return "its Klipper cannot start a bootloader";
	return not_its_port(with);
}

static int check_program(const char *program, const char *package, struct kf_error *err)
{
	return kf_process_exists(program) ? 0 : kf_flash_program_missing(program, package, err);
}

static int check_avrdude(const struct kf_methods_for *with, struct kf_error *err)
{
	(void)with;
	return check_program("avrdude", "avrdude", err);
}

static int check_bossac(const struct kf_methods_for *with, struct kf_error *err)
{
	(void)with;
	return check_program("bossac", "bossa-cli", err);
}

/* An Arduino's sketch has the USB id of its bootloader with this bit (their boards.txt). */
static bool is_sketch(const struct kf_board *board)
{
	return board->usb.product[0] >= '8';
}

/* The Due's second USB: a chip that erases the SAM when its port is touched, and stays itself. */
static bool is_programming_port(const struct kf_board *board)
{
	return (strcmp(board->usb.vendor, "2341") == 0 || strcmp(board->usb.vendor, "2a03") == 0) &&
	       strcmp(board->usb.product, "003d") == 0;
}

/* Is it in its bootloader, or a chip before it that resets it? Else it runs firmware on its own
 * USB. */
static bool is_entered(const struct job *job)
{
	const struct kf_board *board = &job->board;

	if (job->attempt->method == KF_METHOD_AVRDUDE &&
	    strcmp(job->attempt->plan->avrdude.programmer, "avr109") != 0)
		return true;
	return is_programming_port(board) || (board->mode != KF_MODE_KLIPPER && !is_sketch(board));
}

/* A serial port on a USB port, of Klipper or of what may be a bootloader. */
struct awaited {
	const char *port;
	bool klipper;
};

static bool is_there(const struct kf_boards *now, void *arg, struct kf_board *ret)
{
	const struct awaited *awaited = arg;

	for (size_t i = 0; i < now->count; i++) {
		const struct kf_board *board = &now->list[i];
		bool loader = board->mode == KF_MODE_OTHER && board->tty[0] && !is_sketch(board);

		if (strcmp(board->usb.port, awaited->port) == 0 &&
		    (awaited->klipper ? board->mode == KF_MODE_KLIPPER : loader)) {
			*ret = *board;
			return true;
		}
	}
	return false;
}

static int await(struct kf_monitor *monitor, const struct kf_board *board, bool klipper,
		 int64_t deadline_ms, struct kf_board *ret, struct kf_error *err)
{
	struct awaited awaited = { board->usb.port, klipper };

	return kf_monitor_wait(monitor, is_there, &awaited, deadline_ms, ret, err);
}

/*
 * Wait until there is Klipper on the USB port of a board that was in its bootloader from the
 * beginning, where it shows no serial number. KF_GONE.
 */
static int come_back(struct kf_monitor *monitor, const struct kf_board *board, int64_t deadline_ms,
		     struct kf_board *ret, struct kf_error *err)
{
	int r = await(monitor, board, true, deadline_ms, ret, err);

	if (r != -ETIMEDOUT)
		return r;
	kf_fail(err, KF_GONE, "no Klipper came at USB port %s", board->usb.port);
	kf_error_hint(err, "check that its firmware is built for USB and for this chip");
	return kf_code_errno(KF_GONE);
}

static int not_entered(const struct job *job, struct kf_error *err)
{
	const struct kf_board *board = &job->attempt->plan->board;
	struct kf_board now;

	if (kf_target_look(board, &now))
		kf_fail(err, KF_NO_KATAPULT, "it did not start its bootloader at %s", board->tty);
	else
		kf_fail(err, KF_GONE, "it left its firmware, and no bootloader came at USB port %s",
			board->usb.port);
	kf_error_hint(err, "nothing was written: power-cycle it, and its firmware starts");
	return kf_code_errno(err ? err->code : KF_GONE);
}

/* Klipper on an AVR does not listen to the touch (its src/avr has no bootloader_request()). */
static int enter(struct job *job, struct kf_error *err)
{
	struct kf_attempt *a = job->attempt;
	bool by_hand =
		job->attempt->method == KF_METHOD_AVRDUDE && job->board.mode == KF_MODE_KLIPPER;
	int64_t deadline_ms = by_hand ? a->deadline_ms : kf_within_ms(ENTER_MS, a->deadline_ms);
	struct kf_board loader;
	int r = 0;

	if (is_entered(job))
		return 0;
	if (by_hand)
		kf_progress_step(a->progress,
				 "press the reset button of the board now, on some twice: its "
				 "Klipper cannot start its bootloader");
	else
		kf_progress_step(a->progress, "entering its bootloader from %s", job->board.tty);
	if (!by_hand)
		r = kf_serial_touch_1200(job->board.tty, err);
	if (r == 0)
		r = await(job->attempt->monitor, &job->board, false, deadline_ms, &loader, err);
	if (r == -ETIMEDOUT)
		return not_entered(job, err);
	if (r < 0)
		return r;
	kf_board_keep(&loader, &job->board);
	job->board = loader;
	return 0;
}

/* Compare the file that the program has read with the image. At its end avrdude leaves 0xff out. */
static int compare(struct job *job, struct kf_error *err)
{
	const struct kf_image *image = job->attempt->image;
	_cleanup_(kf_freep) char *read = NULL;
	_cleanup_(kf_freep) uint8_t *got = malloc(image->len);
	size_t len;
	int r;

	if (!got)
		return kf_fail_sys(err, ENOMEM, "what was read back");
	r = kf_file_read(job->read, KF_IMAGE_MAX, &read, &len, err);
	if (r < 0)
		return r;
	memset(got, 0xff, image->len);
	memcpy(got, read, len < image->len ? len : image->len);
	r = kf_bytes_verify(job->start, image->data, got, image->len, err);
	job->attempt->readback = r == 0;
	return r;
}

static void explain(const struct job *job, struct kf_error *err)
{
	if (err && err->code == KF_FLASH_FAILED)
		kf_error_hint(err, "%s, then run the same command again",
			      kf_last_flash_remedy(job->attempt->begun));
}

static int run(struct job *job, const char *name, const char *const *argv, struct kf_error *err)
{
	int r = kf_flash_program_run(&job->program, name, argv, job->attempt->deadline_ms, err);

	explain(job, err);
	return r;
}

/*
 * avrdude reads a flash to its end, which takes half a minute at an ATmega2560's rate. So it is
 * told of a part whose flash ends soon after the image: at a multiple of every part's page.
 */
static int write_part(const struct job *job, char path[PATH_MAX], struct kf_error *err)
{
	const struct kf_attempt *a = job->attempt;
	unsigned bytes = (unsigned)(a->image->len + PART_UNIT - 1) / PART_UNIT * PART_UNIT;
	char text[256];
	int r = kf_flash_program_path(a->plan, "part.conf", path, err);

	kf_text_format(text, sizeof(text),
		       "part parent \"%s\"\n    id = \"" PART "\";\n    desc = \"" PART "\";\n"
		       "    memory \"flash\"\n        size = %u;\n    ;\n;\n",
		       a->plan->avrdude.part, bytes);
	return r < 0 ? r : kf_file_write(path, text, strlen(text), err);
}

/* Not compared by avrdude too (-V): that would read the image once more. */
static int run_avrdude(struct job *job, struct kf_error *err)
{
	const struct kf_avrdude *with = &job->attempt->plan->avrdude;
	char part[PATH_MAX + 1] = "+", write[PATH_MAX + 16], read[PATH_MAX + 16], baud[16],
			     name[160];
	const char *argv[] = { "avrdude",
			       "-C",
			       part,
			       "-p",
			       PART,
			       "-c",
			       with->programmer,
			       "-P",
			       job->board.tty,
			       "-D",
			       "-V",
			       "-U",
			       write,
			       "-U",
			       read,
			       with->baud ? "-b" : NULL,
			       baud,
			       NULL };
	int r = write_part(job, part + 1, err);

	if (r < 0)
		return r;
	kf_text_format(baud, sizeof(baud), "%u", with->baud);
	kf_text_format(write, sizeof(write), "flash:w:%s:r", job->image);
	kf_text_format(read, sizeof(read), "flash:r:%s:r", job->read);
	kf_text_format(name, sizeof(name), "avrdude -p %s -c %s", with->part, with->programmer);
	kf_progress_step(job->attempt->progress, "%s -P %s: writing, and reading back", name,
			 job->board.tty);
	r = run(job, name, argv, err);
	return r < 0 ? r : compare(job, err);
}

/* what ends with NULL. */
static int bossac(struct job *job, const char *const *what, struct kf_error *err)
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
	r = run(job, "bossac", argv, err);
	/* It waits 0.1 s for an answer: too short on a busy machine. A command may come twice. */
	return r < 0 && err && err->code == KF_FLASH_FAILED ? run(job, "bossac", argv, err) : r;
}

/* A SAM4 may need it twice (flash_bossac() of scripts/flash_usb.py). */
static int start(struct job *job, struct kf_error *err)
{
	static const char *const argv[] = { "--boot=1", "--reset", NULL };
	struct kf_board now;
	int r = bossac(job, argv, err);

	if (r < 0 || is_programming_port(&job->board) ||
	    await(job->attempt->monitor, &job->board, true,
		  kf_within_ms(RESET_MS, job->attempt->deadline_ms), &now, NULL) != -ETIMEDOUT ||
	    await(job->attempt->monitor, &job->board, false, kf_now_ms(), &now, NULL) < 0)
		return r;
	job->board = now;
	IGNORE_RESULT(bossac(job, argv, NULL)); /* the board's return tells whether it did */
	return 0;
}

static int run_bossac(struct job *job, struct kf_error *err)
{
	const char *mcu = job->attempt->image->dictionary.mcu;
	bool samd = strcmp(kf_loader_name(kf_loader_find(mcu, KF_LOADER_ANY)), "samd") == 0;
	char bytes[32];
	const char *const write[] = { "--write", "--verify",
				      /* SAMD's bootloaders erase what they write; --erase would be
					 all behind the offset. */
				      samd ? job->image : "--erase",
				      samd				 ? NULL
				      : is_programming_port(&job->board) ? "--arduino-erase"
									 : job->image,
				      samd				 ? NULL
				      : is_programming_port(&job->board) ? job->image
									 : NULL,
				      NULL };
	const char *const read[] = { bytes, job->read, NULL };
	int r;

	kf_text_format(bytes, sizeof(bytes), "--read=0x%zx", job->attempt->image->len);
	kf_progress_step(job->attempt->progress, "bossac --port=%s: writing", job->board.tty);
	r = bossac(job, write, err);
	if (r < 0)
		return r;
	kf_progress_step(job->attempt->progress, "bossac --port=%s: reading back", job->board.tty);
	r = bossac(job, read, err);
	if (r == 0)
		r = compare(job, err);
	return r < 0 ? r : start(job, err);
}

static int prepare(struct job *job, struct kf_error *err)
{
	const struct kf_plan *plan = job->attempt->plan;
	int r = kf_rom_start(job->attempt, START_UNIT, &job->start, err);

	if (r == 0 && job->attempt->method == KF_METHOD_AVRDUDE && job->start != 0)
		r = kf_fail(err, KF_WRONG_OFFSET,
			    "the firmware starts at 0x%08x, and that of an AVR starts at 0",
			    job->start);
	/* It stands in a file of avrdude's. */
	if (r == 0 && job->attempt->method == KF_METHOD_AVRDUDE &&
	    strpbrk(plan->avrdude.part, "\"\\"))
		r = kf_fail(err, KF_BAD_IMAGE, "its MCU is %s", plan->avrdude.part);
	if (r == 0)
		r = kf_flash_program_image(plan, job->attempt->image, job->image, err);
	if (r == 0)
		r = kf_flash_program_path(plan, "read.bin", job->read, err);
	/* Else one of an earlier run could be taken for this one's. */
	if (r == 0 && unlink(job->read) < 0 && errno != ENOENT)
		r = kf_fail_sys(err, errno, "%s", job->read);
	return r;
}

/*
 * From the firmware into the bootloader, write, read back, start the firmware.
 *
 * Nothing is written: KF_NO_KATAPULT (it stays in its firmware), KF_GONE (no bootloader comes),
 * KF_WRONG_OFFSET, KF_BUSY, KF_PERMISSION, KF_IO.
 * Something may be written: KF_FLASH_FAILED with the program's log, KF_VERIFY_FAILED, KF_TIMEOUT,
 * KF_INTERRUPTED.
 */
static int write_board(struct kf_attempt *a, struct kf_error *err)
{
	const char *mcu = a->image->dictionary.mcu;
	struct job job = { .attempt = a, .program = KF_FLASH_PROGRAM_NONE, .board = *a->board };
	bool avr = a->method == KF_METHOD_AVRDUDE;
	int r;

	if (!avr && job.board.mode != KF_MODE_KLIPPER && !is_programming_port(&job.board))
		a->come_back = come_back;
	r = prepare(&job, err);
	if (r == 0)
		r = enter(&job, err);
	if (r == 0)
		r = kf_flash_program_begin(&job.program, a->plan, &job.board, a->method, err);
	if (r == 0) {
		a->begun = kf_loader_name(kf_loader_find(mcu, KF_LOADER_ANY));
		r = avr ? run_avrdude(&job, err) : run_bossac(&job, err);
	}
	if (r < 0 && err && a->begun)
		kf_text_format(err->log, sizeof(err->log), "%s", job.program.log_path);
	kf_flash_program_end(&job.program);
	return r;
}

const struct kf_method_row kf_method_avrdude = {
	.why_not = no_avrdude,
	.check = check_avrdude,
	.enters = kf_flash_program_enters,
	.write = write_board,
	.of_chip = true,
	.readback = true,
	.foreign = true,
};

const struct kf_method_row kf_method_bossac = {
	.why_not = no_bossac,
	.check = check_bossac,
	.enters = kf_flash_program_enters,
	.write = write_board,
	.of_chip = true,
	.names_tell = true,
	.readback = true,
	.foreign = true,
};
