/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "core/text.h"
#include "firmware/chip.h"
#include "firmware/loader.h"
#include "registry/method.h"

static const char *const methods[] = {
	[KF_METHOD_KATAPULT] = "katapult",
	[KF_METHOD_PICOBOOT] = "picoboot",
	[KF_METHOD_DFU] = "dfu",
	[KF_METHOD_AVRDUDE] = "avrdude",
	[KF_METHOD_BOSSAC] = "bossac",
	[KF_METHOD_MAKE_FLASH] = "make_flash",
	[KF_METHOD_FLASHTOOL] = "flashtool",
	[KF_METHOD_DFU_UTIL] = "dfu_util",
	[KF_METHOD_SDCARD] = "sdcard",
	[KF_METHOD_HOST_MCU] = "host_mcu",
};

/* The program by which make flash flashes the chips of a method; KF_PROGRAM_NONE: by several. */
static const enum kf_program programs[KF_METHOD_COUNT] = {
	[KF_METHOD_PICOBOOT] = KF_PROGRAM_RP2040_FLASH,
	[KF_METHOD_AVRDUDE] = KF_PROGRAM_AVRDUDE,
	[KF_METHOD_BOSSAC] = KF_PROGRAM_BOSSAC,
	[KF_METHOD_HOST_MCU] = KF_PROGRAM_HOST_MCU,
};

const char *kf_method_name(enum kf_method method)
{
	return methods[method];
}

bool kf_method_find(const char *name, enum kf_method *ret)
{
	for (size_t i = 0; i < KF_METHOD_COUNT; i++) {
		if (strcmp(name, methods[i]) != 0)
			continue;
		if (ret)
			*ret = (enum kf_method)i;
		return true;
	}
	return false;
}

int kf_method_check(const char *option, const char *text, struct kf_error *err)
{
	if (kf_method_find(text, NULL))
		return 0;
	kf_fail(err, KF_USAGE, "--%s: \"%s\" is not a flash method", option, text);
	return kf_error_hint(err, "choose " KF_METHODS);
}

/*
 * make flash is the last resort of every chip. A fork of Katapult may be on any chip but AVR, SAM
 * and the host's own MCU.
 */
bool kf_method_suits(enum kf_method method, const char *mcu)
{
	const struct kf_loader *loader = kf_loader_find(mcu, KF_LOADER_ANY);

	if (!loader)
		return method != KF_METHOD_HOST_MCU;
	switch (method) {
	case KF_METHOD_KATAPULT:
	case KF_METHOD_FLASHTOOL:
	case KF_METHOD_SDCARD: /* of the same chips, in the list of flash-sdcard.sh */
		return kf_loader_beside_katapult(loader);
	case KF_METHOD_DFU:
	case KF_METHOD_DFU_UTIL:
		return kf_chip_dfu(mcu);
	case KF_METHOD_MAKE_FLASH:
		return true;
	default:
		return loader->program == programs[method];
	}
}

int kf_method_check_mcu(const char *name, const char *mcu, struct kf_error *err)
{
	enum kf_method method;
	char suit[128] = "";

	if (!mcu[0] || !kf_method_find(name, &method) || kf_method_suits(method, mcu))
		return 0;
	for (size_t i = 0; i < KF_METHOD_COUNT; i++)
		if (kf_method_suits((enum kf_method)i, mcu))
			kf_text_add(suit, sizeof(suit), ", ", methods[i]);
	kf_fail(err, KF_USAGE, "the flash method %s cannot be for a %s", name, mcu);
	return kf_error_hint(err, "those for a %s are: %s", mcu, suit);
}

const char *kf_method_proposed(const char *mcu)
{
	const struct kf_loader *loader = kf_loader_find(mcu, KF_LOADER_ANY);

	if (!mcu[0] || kf_loader_beside_katapult(loader))
		return "";
	for (size_t i = 0; i < KF_METHOD_COUNT; i++)
		if (programs[i] == loader->program)
			return methods[i];
	return "";
}
