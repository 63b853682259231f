/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "core/method.h"

static const char *const methods[] = {
	[KF_METHOD_KATAPULT] = "katapult",
	[KF_METHOD_MAKE_FLASH] = "make_flash",
	[KF_METHOD_FLASHTOOL] = "flashtool",
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
