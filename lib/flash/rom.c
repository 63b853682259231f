/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "board/last-flash.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "firmware/chip.h"
#include "firmware/dictionary.h"
#include "firmware/image-check.h"
#include "firmware/katapult-image.h"
#include "flash/rom.h"

enum {
	LEAVE_MS = 2000,
	/* Katapult ends before the farthest start of an application that menuconfig offers. */
	KATAPULT_MAX = 128 * 1024,
};

/* The program that a reset starts. */
enum boot { BOOT_NOTHING, BOOT_KATAPULT, BOOT_OTHER };

static int find_boot(struct kf_rom *rom, const struct kf_chip *chip, enum boot *ret,
		     struct kf_error *err)
{
	uint32_t boot = chip->flash + chip->vectors, at;
	uint8_t bytes[KF_KATAPULT_SIGNATURE_SIZE];
	int r = rom->row->read(rom, boot, bytes, sizeof(bytes), err);

	if (r < 0)
		return r;
	at = kf_katapult_signature_at(kf_get_le32(bytes + 4));
	*ret = kf_get_le32(bytes) == UINT32_MAX ? BOOT_NOTHING : BOOT_OTHER;
	if (at % sizeof(bytes) != 0 || at - boot >= KATAPULT_MAX)
		return 0;
	r = rom->row->read(rom, at, bytes, sizeof(bytes), err);
	if (r == 0 && kf_katapult_signature(bytes))
		*ret = BOOT_KATAPULT;
	return r;
}

/* Does it start firmware that is behind it? Another program may be the board maker's bootloader. */
static bool starts_others(const struct kf_rom *rom, enum boot boot)
{
	return boot == BOOT_KATAPULT || (boot == BOOT_OTHER && rom->row->other_bootloaders);
}

int kf_rom_bare(const struct kf_board *board, int64_t deadline_ms, bool *ret, struct kf_error *err)
{
	const struct kf_chip *chip = kf_chip_find(board->mcu);
	struct kf_rom rom = {
		.row = board->mode == KF_MODE_DFU ? &kf_rom_dfu : &kf_rom_picoboot,
		.board = board,
		.deadline_ms = deadline_ms,
	};
	enum boot there = BOOT_OTHER;
	int r = kf_usb_open(&board->usb, &rom.usb, err);

	if (r == 0)
		r = rom.row->begin(&rom, err);
	if (r == 0 && chip)
		r = find_boot(&rom, chip, &there, err);
	if (r == 0)
		*ret = chip && !starts_others(&rom, there);
	kf_usb_closep(&rom.usb);
	return r;
}

static int over_katapult(const struct kf_attempt *a, uint32_t start, struct kf_error *err)
{
	const char *key = a->plan->board.key;

	kf_fail(err, KF_WRONG_OFFSET,
		"the firmware starts at 0x%08x, where the Katapult of this board is: it would be "
		"erased",
		start);
	return kf_error_hint(
		err,
		"choose the \"Bootloader offset\" of that Katapult in menuconfig (kf config "
		"%s); to replace Katapult: --replace-bootloader",
		key[0] ? key : "KEY");
}

/*
 * Is there Klipper that starts before the image does? Then what is before the image is no
 * bootloader: it is that Klipper, or a bootloader that starts applications elsewhere. Klipper has
 * its dictionary, and at the image's place it would have its reset vector, too. A write that was
 * cut off has left that place erased, for its first block comes last: what is behind it is no
 * firmware.
 */
static int find_klipper(struct kf_rom *rom, uint32_t boot, const struct kf_image *image,
			uint32_t start, bool *ret, struct kf_error *err)
{
	size_t before = start - boot, len = before + image->len;
	_cleanup_(kf_freep) uint8_t *flash = malloc(len);
	struct kf_dictionary dictionary;
	uint32_t reset;
	int r;

	if (!flash)
		return kf_fail_sys(err, ENOMEM, "the flash of the board");
	r = rom->row->read(rom, boot, flash, len, err);
	if (r < 0)
		return r;
	reset = kf_get_le32(flash + before + 4);
	if (reset == UINT32_MAX)
		len = before;
	*ret = (reset <= start || reset - start >= image->len) &&
	       kf_dictionary_find(flash, len, &dictionary, NULL) == 0;
	return 0;
}

static int behind_none(uint32_t start, const struct kf_chip *chip, const char *there,
		       struct kf_error *err)
{
	kf_fail(err, KF_WRONG_OFFSET,
		"the firmware starts at 0x%08x, behind a bootloader, and there is %s at 0x%08x: it "
		"would not start",
		start, there, chip->flash);
	return kf_error_hint(
		err, "choose \"Bootloader offset: No bootloader\" in menuconfig, or install "
		     "Katapult first");
}

/* Is the image there already? 1, 0, or an error. */
static int compare(struct kf_attempt *a, struct kf_rom *rom, uint32_t start, struct kf_error *err)
{
	struct kf_progress_part comparing = { a->progress, "comparing" };
	struct kf_error why;
	int r = rom->row->verify(rom, a->image, start, &comparing, &why);

	if (r < 0 && why.code == KF_VERIFY_FAILED)
		return 0;
	if (r < 0)
		*err = why;
	return r < 0 ? r : 1;
}

static int over_another(struct kf_attempt *a, struct kf_rom *rom, uint32_t start,
			struct kf_error *err)
{
	int r = compare(a, rom, start, err);

	if (r != 0)
		return r < 0 ? r : 0;
	kf_fail(err, KF_WRONG_OFFSET, "another Katapult is on this board already");
	return kf_error_hint(err, "to replace it: --replace-bootloader");
}

/* Is there a Katapult that the image would destroy, or is there none though it needs one? */
static int check_katapult(struct kf_attempt *a, struct kf_rom *rom, uint32_t start,
			  struct kf_error *err)
{
	const struct kf_chip *chip = kf_chip_find(a->image->dictionary.mcu);
	bool klipper = false;
	enum boot there;
	int r = chip ? find_boot(rom, chip, &there, err) : 0;

	if (r < 0 || !chip)
		return r;
	if (start <= chip->flash + chip->vectors) {
		if (there != BOOT_KATAPULT || a->plan->options.replace_bootloader)
			return 0;
		return a->plan->options.bootloader ? over_another(a, rom, start, err)
						   : over_katapult(a, start, err);
	}
	if (!starts_others(rom, there))
		return behind_none(start, chip, "none", err);
	if (there != BOOT_KATAPULT)
		r = find_klipper(rom, chip->flash, a->image, start, &klipper, err);
	return klipper ? behind_none(start, chip, "Klipper instead of one", err) : r;
}

static int check(struct kf_attempt *a, struct kf_rom *rom, uint32_t *ret, struct kf_error *err)
{
	int r = kf_plan_start(a->plan, ret, err);

	if (r == 0)
		r = kf_image_check(a->image, ret, err);
	if (r == 0)
		r = rom->row->check(rom, a->image, *ret, err);
	return r < 0 ? r : check_katapult(a, rom, *ret, err);
}

static bool was_in_firmware(const struct kf_attempt *a, const struct kf_rom *rom)
{
	return a->plan->board.mode != rom->method->mode;
}

/*
 * Nothing was written. A board that was in its firmware goes back to it; one that a person put into
 * its bootloader stays there.
 */
static int refuse(struct kf_attempt *a, struct kf_rom *rom, int r)
{
	struct kf_last_flash last = { 0 };

	if (a->plan->board.key[0])
		kf_last_flash_load(a->plan->board.key, &last);
	kf_stop_defer(true);
	rom->deadline_ms = kf_now_ms() + LEAVE_MS;
	a->sent_back =
		was_in_firmware(a, rom) && !last.incomplete[0] && rom->row->leave(rom, NULL) == 0;
	kf_stop_defer(false);
	return r;
}

static int write_image(struct kf_attempt *a, struct kf_rom *rom, uint32_t start,
		       struct kf_error *err)
{
	struct kf_progress_part reading = { a->progress, "reading back" };
	const char *mode = kf_mode_name(rom->method->mode);
	int r = kf_last_flash_incomplete(a->plan->board.key, mode, err);

	if (r < 0)
		return refuse(a, rom, r);
	a->begun = mode;
	r = rom->row->write(rom, a->image, start, a->progress, err);
	return r < 0 ? r : rom->row->verify(rom, a->image, start, &reading, err);
}

static int leave(struct kf_rom *rom, struct kf_error *err)
{
	int r = rom->row->leave(rom, err);

	if (r < 0 && err->code != KF_INTERRUPTED) {
		err->code = KF_LEFT_IN_BOOTLOADER;
		kf_error_prefix(err, "the firmware was written, but the board stays in %s",
				rom->method->bootloader);
	}
	return r < 0 ? kf_code_errno(err->code) : 0;
}

static int converse(struct kf_attempt *a, struct kf_rom *rom, struct kf_error *err)
{
	uint32_t start;
	int r;

	/* A stop signal waits: only a bootloader that is idle can start the firmware again. */
	kf_stop_defer(was_in_firmware(a, rom));
	r = rom->row->begin(rom, err);
	kf_stop_defer(false);
	if (r < 0)
		return r;
	r = check(a, rom, &start, err);
	if (r == 0)
		kf_progress_step(a->progress, "%s on USB port %s, firmware from 0x%08x",
				 rom->method->bootloader, a->board->usb.port, start);
	if (r == 0 && !a->plan->options.force)
		r = compare(a, rom, start, err);
	if (r < 0)
		return refuse(a, rom, r);
	a->current = r > 0;
	if (r == 0)
		r = write_image(a, rom, start, err);
	a->readback = r >= 0;
	return r < 0 ? r : leave(rom, err);
}

int kf_rom_flash(struct kf_attempt *a, struct kf_error *err)
{
	const struct kf_method_row *method = kf_method_row(a->method);
	struct kf_rom rom = { .row = method->rom,
			      .method = method,
			      .attempt = a,
			      .board = a->board,
			      .deadline_ms = a->deadline_ms };
	int r = kf_usb_open(&a->board->usb, &rom.usb, err);

	if (r == 0)
		r = converse(a, &rom, err);
	kf_usb_closep(&rom.usb);
	return r;
}
