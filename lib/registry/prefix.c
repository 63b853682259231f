/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "core/text.h"
#include "registry/prefix.h"

int kf_prefix_find(const struct kf_registry *registry, const char *typed, const char **ret,
		   bool *ret_short, struct kf_error *err)
{
	struct kf_device device, found = { 0 };
	char all[256] = "";
	size_t count = 0;

	if (typed[0] && !kf_registry_has(registry, typed) &&
	    !json_object_get(registry->described, typed))
		for (void *at = NULL; kf_registry_next(registry, &at, &device);) {
			if (strncmp(device.key, typed, strlen(typed)) != 0)
				continue;
			kf_text_add(all, sizeof(all), ", ", device.key);
			found = device;
			count++;
		}
	if (count > 1) {
		kf_fail(err, KF_USAGE, "\"%s\" begins several keys: %s", typed, all);
		return kf_error_hint(err, "type more of the one that you mean");
	}
	if (count == 1 && !found.flashable) {
		kf_fail(err, KF_USAGE, "\"%s\" begins only %s, which is excluded", typed,
			found.key);
		return kf_error_hint(err,
				     "type its whole key; to include it: kf set %s flashable=true",
				     found.key);
	}
	*ret_short = count == 1;
	*ret = count == 1 ? found.key : typed;
	return 0;
}
