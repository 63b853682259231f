/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DFU of STM32's ROM. It does not tell which chip it is in: the sectors of its flash have to fit
 * the MCU of the image.
 */
#include <string.h>

#include "core/text.h"
#include "dfu/session.h"
#include "firmware/chip.h"
#include "flash/program.h"
#include "flash/rom.h"
#include "katapult/pages.h"

enum {
	FLASH = 0x08000000, /* of every STM32 */
	/* Parts of one name may have pages of 1, 2 or 4 KiB; larger sectors are the same in all of
	 * them. */
	SMALL_PAGE = 4096,
};

static const char dfu_util[] = "dfu-util"; /* the program, and Debian's package of it */

/* Is it the ROM of an STM32? It shows ST's USB ids, whatever firmware the chip had. */
static bool is_in_rom(const struct kf_methods_for *with)
{
	return kf_methods_in_mode(with, KF_MODE_DFU) &&
	       strcmp(with->board->usb.vendor, "0483") == 0 && kf_chip_dfu(with->mcu);
}

static const char *why_not(const struct kf_methods_for *with)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);

	if (is_in_rom(with))
		return NULL;
	if (!loader || loader->program != KF_PROGRAM_DFU_UTIL ||
	    strcmp(loader->vendor, "0483") != 0)
		return "no DFU is in the ROM of its chip";
	if (with->by_can || with->by_uart)
		return "DFU is reached over its own USB alone";
	if (kf_methods_in_mode(with, KF_MODE_KATAPULT))
		return "it waits in Katapult";
	if (kf_methods_in_rom(with))
		return "it waits in a bootloader other than its chip's";
	return loader->entered ? NULL : "its Klipper cannot start DFU";
}

static int begin(struct kf_rom *rom, struct kf_error *err)
{
	rom->dfu = (struct kf_dfu){ .usb = rom->usb, .deadline_ms = rom->deadline_ms };
	return kf_dfu_begin(&rom->dfu, FLASH, err);
}

/* The sizes of sectors tell the family: an F4's are 16 KiB, a G0's 2, an H7's 128. */
static int check_chip(const struct kf_dfu_memory *memory, const char *mcu, struct kf_error *err)
{
	uint32_t want = kf_katapult_pages_find(mcu, FLASH).first_bytes, is = want;
	struct kf_dfu_sector s;

	if (kf_dfu_memory_sector(memory, FLASH, &s))
		is = s.bytes;
	if (is == want || want == 0 || (is <= SMALL_PAGE && want <= SMALL_PAGE))
		return 0;
	return kf_fail(err, KF_MCU_MISMATCH,
		       "the firmware is for %s, whose flash has sectors of %u KiB; that of this "
		       "board has %u KiB",
		       mcu, want / 1024, is / 1024);
}

static int too_large(const struct kf_rom *rom, uint32_t start, size_t len, struct kf_error *err)
{
	return kf_fail(err, KF_TOO_LARGE,
		       "it goes from 0x%08x to 0x%08x, and the flash of this board that can be "
		       "written ends at 0x%08x",
		       start, (uint32_t)(start + len),
		       (uint32_t)kf_dfu_memory_end(&rom->dfu.memory, FLASH));
}

static int check(struct kf_rom *rom, const struct kf_image *image, uint32_t start,
		 struct kf_error *err)
{
	struct kf_dfu_sector s;
	int r = check_chip(&rom->dfu.memory, image->dictionary.mcu, err);

	if (r < 0)
		return r;
	if (!kf_dfu_memory_takes(&rom->dfu.memory, start, image->len))
		return too_large(rom, start, image->len, err);
	/* To erase the first sector would also erase what is before the image in it. */
	if (kf_dfu_memory_sector(&rom->dfu.memory, start, &s) && s.start != start)
		return kf_fail(err, KF_WRONG_OFFSET,
			       "the firmware starts at 0x%08x, inside a sector that begins at "
			       "0x%08x: what is before it would be erased",
			       start, s.start);
	return 0;
}

/* Addresses at which the chip has no memory are read as erased. */
static int read_flash(struct kf_rom *rom, uint32_t address, uint8_t *ret, size_t len,
		      struct kf_error *err)
{
	memset(ret, 0xff, len);
	return kf_dfu_memory_takes(&rom->dfu.memory, address, len)
		       ? kf_dfu_read(&rom->dfu, address, ret, len, err)
		       : 0;
}

static int write_image(struct kf_rom *rom, const struct kf_image *image, uint32_t start,
		       const struct kf_progress *progress, struct kf_error *err)
{
	struct kf_progress_part erasing = { progress, "erasing" },
				writing = { progress, "writing" };
	int r = kf_dfu_erase(&rom->dfu, start, image->len, kf_progress_show, &erasing, err);

	return r < 0 ? r
		     : kf_dfu_write(&rom->dfu, start, image->data, image->len, kf_progress_show,
				    &writing, err);
}

/* dfu-util claims the interface itself: the device is closed meanwhile. */
static int write_by_program(struct kf_rom *rom, const struct kf_image *image, uint32_t start,
			    const struct kf_progress *progress, struct kf_error *err)
{
	_cleanup_(kf_flash_program_end) struct kf_flash_program program = KF_FLASH_PROGRAM_NONE;
	char alternate[8], address[16], path[PATH_MAX];
	const char *const argv[] = { dfu_util, "-p",	  rom->board->usb.port,
				     "-a",     alternate, "-s",
				     address,  "-D",	  path,
				     NULL };
	int r = kf_flash_program_image(rom->attempt->plan, image, path, err);

	if (r == 0)
		r = kf_flash_program_log(&program, rom->attempt->plan, rom->attempt->method, err);
	if (r < 0)
		return r;
	kf_text_format(alternate, sizeof(alternate), "%u", rom->dfu.alternate);
	kf_text_format(address, sizeof(address), "0x%08x", start);
	kf_progress_step(progress, "dfu-util writes from %s", address);
	kf_usb_closep(&rom->usb);
	r = kf_flash_program_run(&program, dfu_util, argv, rom->deadline_ms, err);
	if (r == 0)
		r = kf_usb_open(&rom->board->usb, &rom->usb, err);
	return r < 0 ? r : begin(rom, err);
}

static int verify(struct kf_rom *rom, const struct kf_image *image, uint32_t start,
		  struct kf_progress_part *progress, struct kf_error *err)
{
	return kf_dfu_verify(&rom->dfu, start, image->data, image->len, kf_progress_show, progress,
			     err);
}

/*
 * Start from the beginning of the flash, as a reset does, and not the image behind a bootloader:
 * the version that comes back then proves what runs after the next power-up.
 */
static int leave(struct kf_rom *rom, struct kf_error *err)
{
	rom->dfu.deadline_ms = rom->deadline_ms;
	return kf_dfu_start(&rom->dfu, FLASH, err);
}

const struct kf_rom_row kf_rom_dfu = {
	.other_bootloaders = true,
	.begin = begin,
	.check = check,
	.read = read_flash,
	.write = write_image,
	.verify = verify,
	.leave = leave,
};

static const struct kf_rom_row rom_dfu_util = {
	.other_bootloaders = true,
	.begin = begin,
	.check = check,
	.read = read_flash,
	.write = write_by_program,
	.verify = verify,
	.leave = leave,
};

static int check_program(const struct kf_methods_for *with, struct kf_error *err)
{
	int r = kf_flash_program_find(dfu_util, dfu_util, err);

	return r < 0 ? r : kf_methods_check_rule(with, err);
}

/* By name alone: all but the writing is done by us here, too. */
const struct kf_method_row kf_method_dfu_util = {
	.why_not = why_not,
	.check = check_program,
	.write = kf_rom_flash,
	.rom = &rom_dfu_util,
	.bootloader = "DFU",
	.mode = KF_MODE_DFU,
	.readback = true,
};

const struct kf_method_row kf_method_dfu = {
	.why_not = why_not,
	.check = kf_methods_check_rule,
	.write = kf_rom_flash,
	.rom = &kf_rom_dfu,
	.bootloader = "DFU",
	.mode = KF_MODE_DFU,
	.of_chip = true,
	.readback = true,
};
