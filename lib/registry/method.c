/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

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
	[KF_METHOD_SDCARD] = "sdcard",
	[KF_METHOD_HOST_MCU] = "host_mcu",
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
	kf_error_hint(err, "choose " KF_METHODS);
	return kf_code_errno(KF_USAGE);
}

const char *kf_method_proposed(const char *mcu)
{
	const struct kf_loader *loader = kf_loader_find(mcu, KF_LOADER_ANY);

	if (!mcu[0] || kf_loader_beside_katapult(loader))
		return "";
	return kf_method_name(loader->program == KF_PROGRAM_HOST_MCU  ? KF_METHOD_HOST_MCU
			      : loader->program == KF_PROGRAM_AVRDUDE ? KF_METHOD_AVRDUDE
								      : KF_METHOD_BOSSAC);
}
