/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sources: flash, RAM and their addresses from the memory maps of the makers' data sheets, where
 * RAM is the range that RAM_START and RAM_SIZE of src/<arch>/Kconfig in Klipper and Kalico lie in;
 * names from CONFIG_MCU there; UF2 families from microsoft/uf2 (utils/uf2families.json) and, of the
 * RP2350, from pico-sdk (boot/uf2.h).
 */
#include <fnmatch.h>
#include <string.h>

#include "core/text.h"
#include "firmware/chip.h"

#define KIB(n)	((n)*1024u)
#define MIB(n)	((n)*1024u * 1024u)
#define STM_AT	0x08000000u
#define RAM_AT	0x20000000u
#define XIP_AT	0x10000000u
#define UF2_RP2 0xe48bff56u /* Klipper's elf2uf2 writes it for an RP2350 too */

/* The first that fits counts. */
static const struct kf_chip chips[] = {
	{ "stm32f03*", STM_AT, KIB(256), RAM_AT, KIB(32), .families = { 0x647824b6 } },
	{ "stm32f04*", STM_AT, KIB(32), RAM_AT, KIB(6), .families = { 0x647824b6 } },
	{ "stm32f07*", STM_AT, KIB(128), RAM_AT, KIB(16), .families = { 0x647824b6 } },
	/* N32G45x has the name stm32f103 too, and 144 KiB of RAM. */
	{ "stm32f1*", STM_AT, MIB(1), RAM_AT, KIB(144), .families = { 0x5ee21072 } },
	{ "stm32f2*", STM_AT, MIB(1), RAM_AT, KIB(128), .families = { 0x5d1a0a2e } },
	{ "stm32f401*", STM_AT, KIB(512), RAM_AT, KIB(96), .families = { 0x57755a57 } },
	{ "stm32f40[57]*", STM_AT, MIB(1), RAM_AT, KIB(128), .families = { 0x57755a57 } },
	{ "stm32f411*", STM_AT, KIB(512), RAM_AT, KIB(128), .families = { 0x57755a57 } },
	{ "stm32f42*", STM_AT, MIB(2), RAM_AT, KIB(192), .families = { 0x57755a57 } },
	{ "stm32f446*", STM_AT, KIB(512), RAM_AT, KIB(128), .families = { 0x57755a57 } },
	{ "stm32f7*", STM_AT, MIB(2), RAM_AT, KIB(512), .families = { 0x53b80f00 } },
	{ "stm32g07*", STM_AT, KIB(128), RAM_AT, KIB(36), .families = { 0x300f5633 } },
	{ "stm32g0b*", STM_AT, KIB(512), RAM_AT, KIB(144), .families = { 0x300f5633 } },
	{ "stm32g431*", STM_AT, KIB(128), RAM_AT, KIB(32), .families = { 0x4c71240a } },
	{ "stm32g474*", STM_AT, KIB(512), RAM_AT, KIB(128), .families = { 0x4c71240a } },
	{ "stm32h723*", STM_AT, MIB(1), RAM_AT, KIB(128), .families = { 0x6db66082 } },
	{ "stm32h7*", STM_AT, MIB(2), RAM_AT, KIB(128), .families = { 0x6db66082 } },
	{ "stm32l412*", STM_AT, KIB(128), RAM_AT, KIB(40), .families = { 0x00ff6919 } },
	{ "at32f403*", STM_AT, MIB(1), RAM_AT, KIB(224), .families = { 0 } },
	{ "rp2040", XIP_AT, MIB(16), RAM_AT, KIB(264), .vectors = 0x100, .families = { UF2_RP2 } },
	{ "rp2350*", XIP_AT, MIB(16), RAM_AT, KIB(520), .definition = true,
	  .families = { 0xe48bff59, 0xe48bff57, UF2_RP2 } },
	{ "sam3x8*", 0x80000, KIB(512), RAM_AT, KIB(96), .families = { 0 } },
	{ "sam4[es]8*", 0x400000, KIB(512), RAM_AT, KIB(128), .families = { 0 } },
	{ "same70*", 0x400000, MIB(2), 0x20400000, KIB(384), .mirrored = true },
	{ "sam[cd]21*", 0, KIB(256), RAM_AT, KIB(32), .families = { 0x68ed2b88 } },
	{ "same5*", 0, MIB(1), RAM_AT, KIB(256), .families = { 0x55114460 } },
	{ "samd51*", 0, MIB(1), RAM_AT, KIB(256), .families = { 0x55114460 } },
	{ "lpc176*", 0, KIB(512), XIP_AT, KIB(32), .families = { 0 } },
	{ "hc32f460*", 0, KIB(512), 0x1fff8000, KIB(188), .families = { 0 } },
};

const struct kf_chip *kf_chip_find(const char *mcu)
{
	for (size_t i = 0; i < KF_ARRAY_SIZE(chips); i++)
		if (fnmatch(chips[i].name, mcu, FNM_CASEFOLD) == 0)
			return &chips[i];
	return NULL;
}

bool kf_chip_starts_at(const struct kf_chip *chip, uint32_t start, uint32_t address)
{
	if (chip && start == chip->flash)
		start += chip->vectors;
	return start == address ||
	       (chip && chip->mirrored && start >= chip->flash && start - chip->flash == address);
}

bool kf_chip_katapult(const char *mcu)
{
	static const char *const built_for[] = {
		"stm32f0[347]*", "stm32f103*", "stm32f207*", "stm32f40[157]*",
		"stm32f429*",	 "stm32f446*", "stm32g0b*",  "stm32g431*",
		"stm32h7[24]3*", "rp2040",     "rp2350*",    "lpc176*",
	};

	for (size_t i = 0; i < KF_ARRAY_SIZE(built_for); i++)
		if (fnmatch(built_for[i], mcu, FNM_CASEFOLD) == 0)
			return true;
	return false;
}

bool kf_chip_dfu(const char *mcu)
{
	static const char *const without[] = { "stm32f03*", "stm32f10[0-3]*", "stm32g0[37]*" };

	for (size_t i = 0; i < KF_ARRAY_SIZE(without); i++)
		if (fnmatch(without[i], mcu, FNM_CASEFOLD) == 0)
			return false;
	return fnmatch("stm32*", mcu, FNM_CASEFOLD) == 0;
}

void kf_chip_entry(const struct kf_chip *chip, uint32_t start, char ret[KF_NAME_SIZE])
{
	uint32_t offset = chip && start >= chip->flash ? start - chip->flash : start;
	uint32_t kib = offset / 1024, rest = offset % 1024;

	if (!chip || start < chip->flash)
		kf_text_format(ret, KF_NAME_SIZE, "the entry for 0x%08x", start);
	else if (strncmp(chip->name, "hc32", 4) == 0)
		kf_text_format(ret, KF_NAME_SIZE, "\"Application Address: 0x%06X\"", start);
	else if (offset == 0 || offset == chip->vectors)
		kf_text_format(ret, KF_NAME_SIZE, "\"Bootloader offset: No bootloader\"");
	else if (rest)
		kf_text_format(ret, KF_NAME_SIZE,
			       "\"Bootloader offset: %uKiB bootloader with %u byte offset\"", kib,
			       rest);
	else
		kf_text_format(ret, KF_NAME_SIZE, "\"Bootloader offset: %uKiB bootloader\"", kib);
}
