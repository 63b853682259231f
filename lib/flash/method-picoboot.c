/* SPDX-License-Identifier: GPL-3.0-or-later */
/* BOOTSEL of the RP2040 and RP2350. */
#include <strings.h>

#include "board/identity.h"
#include "flash/rom.h"

static const char *why_not(const struct kf_methods_for *with)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);

	if (!loader || loader->program != KF_PROGRAM_RP2040_FLASH)
		return "only an RP2040 or RP2350 has BOOTSEL";
	if (with->by_can || (with->by_uart && !kf_methods_in_rom(with)))
		return "BOOTSEL is reached over its own USB alone";
	if (kf_methods_in_mode(with, KF_MODE_KATAPULT))
		return "it waits in Katapult";
	return NULL;
}

static int begin(struct kf_rom *rom, struct kf_error *err)
{
	char mcu[64];

	kf_identity_mcu(&rom->board->usb, mcu);
	rom->picoboot = (struct kf_picoboot){ .usb = rom->usb,
					      .rp2350 = strcasecmp(mcu, "rp2350") == 0,
					      .deadline_ms = rom->deadline_ms };
	return kf_picoboot_begin(&rom->picoboot, err);
}

/*
 * The USB id of the ROM tells the chip, and the image's dictionary tells its MCU. The UF2 family
 * does not: Klipper's elf2uf2 marks every image as the RP2040's.
 */
static int check(struct kf_rom *rom, const struct kf_image *image, uint32_t start,
		 struct kf_error *err)
{
	uint64_t end = (uint64_t)start + image->len;
	struct kf_picoboot_pages pages;
	uint32_t size = 0;
	char mcu[64];
	int r;

	kf_identity_mcu(&rom->board->usb, mcu);
	if (!kf_mcu_same(mcu, image->dictionary.mcu))
		return kf_fail(err, KF_MCU_MISMATCH,
			       "the firmware is for %s, the chip in BOOTSEL is an %s",
			       image->dictionary.mcu, mcu);
	r = kf_picoboot_pages_find(image->data, image->len, start, &pages, err);
	if (r == 0)
		r = kf_picoboot_too_small(&rom->picoboot, (uint32_t)end, &size, err);
	if (r < 0 || !size)
		return r;
	return kf_fail(err, KF_TOO_LARGE,
		       "it ends at 0x%08x, but the flash of this board has %u KiB and ends at "
		       "0x%08x",
		       (uint32_t)end, size / 1024, KF_PICOBOOT_FLASH + size);
}

static int read_flash(struct kf_rom *rom, uint32_t address, uint8_t *ret, size_t len,
		      struct kf_error *err)
{
	return kf_picoboot_read(&rom->picoboot, address, ret, len, err);
}

static int write_image(struct kf_rom *rom, const struct kf_image *image, uint32_t start,
		       const struct kf_progress *progress, struct kf_error *err)
{
	struct kf_progress_part erasing = { progress, "erasing" },
				writing = { progress, "writing" };
	struct kf_picoboot_pages pages;
	int r = kf_picoboot_pages_find(image->data, image->len, start, &pages, err);

	if (r == 0)
		r = kf_picoboot_erase(&rom->picoboot, &pages, kf_progress_show, &erasing, err);
	return r < 0 ? r
		     : kf_picoboot_write(&rom->picoboot, &pages, image->data, image->len,
					 kf_progress_show, &writing, err);
}

static int verify(struct kf_rom *rom, const struct kf_image *image, uint32_t start,
		  struct kf_progress_part *progress, struct kf_error *err)
{
	return kf_picoboot_verify(&rom->picoboot, start, image->data, image->len, kf_progress_show,
				  progress, err);
}

static int leave(struct kf_rom *rom, struct kf_error *err)
{
	rom->picoboot.deadline_ms = rom->deadline_ms;
	return kf_picoboot_leave(&rom->picoboot, err);
}

const struct kf_rom_row kf_rom_picoboot = {
	.begin = begin,
	.check = check,
	.read = read_flash,
	.write = write_image,
	.verify = verify,
	.leave = leave,
};

const struct kf_method_row kf_method_picoboot = {
	.why_not = why_not,
	.check = kf_methods_check_rule,
	.write = kf_rom_flash,
	.rom = &kf_rom_picoboot,
	.bootloader = "BOOTSEL",
	.mode = KF_MODE_RP2BOOT,
	.of_chip = true,
	.readback = true,
};
