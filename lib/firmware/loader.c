/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include "firmware/loader.h"

#define ANY  KF_LOADER_ANY
#define ST   "0483", "df11"
#define NONE KF_PROGRAM_NONE, NULL, NULL, false
#define DFU  KF_PROGRAM_DFU_UTIL
#define HID  KF_PROGRAM_HID_FLASH, "1209", "beba"
#define SAM  KF_PROGRAM_BOSSAC, NULL, NULL
#define AVR  KF_PROGRAM_AVRDUDE, NULL, NULL, true
#define RP2  KF_PROGRAM_RP2040_FLASH, "2e8a"

/* The first that fits counts. */
static const struct kf_loader loaders[] = {
	/* stm32duino's bootloader, and the HID bootloader; its ROM has no USB */
	{ "stm32f103*", 0x08000800, HID, true },
	{ "stm32f103*", 0x08002000, DFU, "1eaf", "0003", true },
	{ "stm32f103*", ANY, DFU, "1eaf", "0003", false },
	{ "stm32f4*", 0x08004000, HID, true },
	{ "stm32f4*", ANY, DFU, ST, true },
	/* STM32_DFU_ROM_ADDRESS is 0 for it: BOOT0 brings it into its ROM. */
	{ "stm32f070*", ANY, DFU, ST, false },
	{ "stm32f042*", ANY, DFU, ST, true },
	{ "stm32f072*", ANY, DFU, ST, true },
	{ "stm32g0b1*", ANY, DFU, ST, true },
	{ "stm32[fh]7*", ANY, DFU, ST, true },
	{ "stm32[gl]4*", ANY, DFU, ST, true },
	{ "stm32f031*", ANY, NONE },
	{ "stm32f2*", ANY, NONE },
	{ "stm32g07*", ANY, NONE },
	{ "stm32g0b0*", ANY, NONE },
	{ "at32f403*", ANY, NONE },
	{ "hc32f460*", ANY, NONE },
	{ "rp2040", ANY, RP2, "0003", true },
	{ "rp235*", ANY, RP2, "000f", true },
	/* Klipper that is built without a bootloader's offset does not leave when it is asked. */
	{ "lpc176*", 0, DFU, "1d50", "6015", false },
	{ "lpc176*", ANY, DFU, "1d50", "6015", true },
	{ "sam[34]*", ANY, SAM, true },
	{ "same70*", ANY, SAM, true },
	{ "samc21*", ANY, NONE },
	{ "samd*", 0, SAM, false },
	{ "same5*", 0, SAM, false },
	{ "samd*", ANY, SAM, true },
	{ "same5*", ANY, SAM, true },
	/* avrdude resets the chip itself, or uses the bootloader that answers on the port. */
	{ "atmega*", ANY, AVR },
	{ "at90*", ANY, AVR },
	{ "lgt8f*", ANY, AVR },
	{ "linux", ANY, KF_PROGRAM_HOST_MCU, NULL, NULL, true },
};

const struct kf_loader *kf_loader_find(const char *mcu, uint32_t start)
{
	for (size_t i = 0; i < KF_ARRAY_SIZE(loaders); i++)
		if (fnmatch(loaders[i].mcu, mcu, FNM_CASEFOLD) == 0 &&
		    (loaders[i].start == ANY || loaders[i].start == start))
			return &loaders[i];
	return NULL;
}

bool kf_loader_by_uart(const struct kf_loader *loader)
{
	return loader &&
	       (loader->program == KF_PROGRAM_AVRDUDE || loader->program == KF_PROGRAM_BOSSAC);
}

bool kf_loader_beside_katapult(const struct kf_loader *loader)
{
	return !kf_loader_by_uart(loader) && !(loader && loader->program == KF_PROGRAM_HOST_MCU);
}

const char *kf_loader_name(const struct kf_loader *loader)
{
	if (!kf_loader_by_uart(loader))
		return "";
	if (loader->program == KF_PROGRAM_AVRDUDE)
		return "avr";
	return strcmp(loader->mcu, "samd*") == 0 || strcmp(loader->mcu, "same5*") == 0 ? "samd"
										       : "sam_rom";
}

const char *kf_loader_avr_programmer(const char *mcu)
{
	if (strcasecmp(mcu, "atmega2560") == 0)
		return "wiring";
	return fnmatch("at90usb*", mcu, FNM_CASEFOLD) == 0 || strcasecmp(mcu, "atmega32u4") == 0
		       ? "avr109"
		       : "arduino";
}
