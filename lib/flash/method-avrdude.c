/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The method avrdude: the program for the bootloaders of AVR, with the arguments that a tree's make
 * flash gives it (src/avr/Makefile of Klipper and Kalico).
 */
#include <string.h>

#include "core/file.h"
#include "core/text.h"
#include "firmware/loader.h"
#include "flash/serial-loader.h"

enum { PART_UNIT = 1024 };

#define PART "kalico-flash" /* the name that a part has for avrdude */

static const char *why_not(const struct kf_methods_for *with)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);
	const char *no_port = kf_serial_loader_why_not(with);

	if (!loader || loader->program != KF_PROGRAM_AVRDUDE)
		return "avrdude is for AVR alone";
	if (no_port)
		return no_port;
	return kf_methods_usb_avr(with) && (!with->named || strcmp(with->named, "avrdude") != 0)
		       ? "its Klipper cannot start its bootloader"
		       : NULL;
}

static int check(const struct kf_methods_for *with, struct kf_error *err)
{
	(void)with;
	return kf_flash_program_find("avrdude", "avrdude", err);
}

/* Firmware of an AVR starts at 0. write_part() quotes the part's name, so it may hold no quote. */
static int check_image(const struct kf_serial_loader *job, struct kf_error *err)
{
	const char *part = job->attempt->plan->avrdude.part;

	if (job->start != 0)
		return kf_fail(err, KF_WRONG_OFFSET,
			       "the firmware starts at 0x%08x, and that of an AVR starts at 0",
			       job->start);
	return strpbrk(part, "\"\\") ? kf_fail(err, KF_BAD_IMAGE, "its MCU is %s", part) : 0;
}

/*
 * avrdude reads a flash to its end, which takes half a minute at an ATmega2560's rate. So it is
 * told of a part whose flash ends soon after the image: at a multiple of every part's page.
 */
static int write_part(const struct kf_serial_loader *job, char path[PATH_MAX], struct kf_error *err)
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

/* -V: avrdude does not compare the image itself, for which it would read the flash once more. */
static int write_flash(struct kf_serial_loader *job, const char *part, struct kf_error *err)
{
	const struct kf_avrdude *with = &job->attempt->plan->avrdude;
	char write[PATH_MAX + 16], read[PATH_MAX + 16], baud[16], name[160];
	const char *baud_option = with->baud ? "-b" : NULL;
	/* clang-format would make columns, and an option has to stand before its value. */
	/* clang-format off */
	const char *const argv[] = {
		"avrdude", "-C", part, "-p", PART, "-c", with->programmer, "-P", job->board.tty,
		"-D", "-V", "-U", write, "-U", read, baud_option, baud, NULL
	};
	/* clang-format on */
	int r;

	kf_text_format(baud, sizeof(baud), "%u", with->baud);
	kf_text_format(write, sizeof(write), "flash:w:%s:r", job->image);
	kf_text_format(read, sizeof(read), "flash:r:%s:r", job->read);
	kf_text_format(name, sizeof(name), "avrdude -p %s -c %s", with->part, with->programmer);
	kf_progress_step(job->attempt->progress, "%s -P %s: writing, and reading back", name,
			 job->board.tty);
	r = kf_serial_loader_run(job, name, argv, err);
	return r < 0 ? r : kf_serial_loader_compare(job, err);
}

/*
 * Only for avr109 we send the board into its bootloader; for the other programmers avrdude resets
 * the chip itself. Klipper on an AVR does not listen to the touch (its src/avr has no
 * bootloader_request()).
 */
static int enter(struct kf_serial_loader *job, struct kf_error *err)
{
	if (strcmp(job->attempt->plan->avrdude.programmer, "avr109") != 0)
		return 0;
	return kf_serial_loader_enter(job, job->board.mode == KF_MODE_KLIPPER, err);
}

/*
 * Nothing is written: KF_NO_KATAPULT (it stays in its firmware), KF_GONE (no bootloader comes),
 * KF_WRONG_OFFSET, KF_BUSY, KF_PERMISSION, KF_IO, KF_BAD_IMAGE.
 * Something may be written: KF_FLASH_FAILED with the program's log, KF_VERIFY_FAILED, KF_TIMEOUT,
 * KF_INTERRUPTED.
 */
static int write_board(struct kf_attempt *a, struct kf_error *err)
{
	char part[PATH_MAX + 1] = "+";
	struct kf_serial_loader job;
	int r = kf_serial_loader_prepare(a, &job, err);

	if (r == 0)
		r = check_image(&job, err);
	if (r == 0)
		r = write_part(&job, part + 1, err);
	if (r == 0)
		r = enter(&job, err);
	if (r == 0)
		r = kf_serial_loader_begin(&job, err);
	if (r == 0)
		r = write_flash(&job, part, err);
	return kf_serial_loader_end(&job, r, err);
}

const struct kf_method_row kf_method_avrdude = {
	.why_not = why_not,
	.check = check,
	.enters = kf_flash_program_enters,
	.write = write_board,
	.of_chip = true,
	.readback = true,
	.foreign = true,
};
