/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A .config. */
#include "firmware/kconfig.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kf_kconfig config = { 0 };
	struct kf_error err;
	char value[16];

	if (kf_kconfig_load(fuzz_file(data, len), &config, &err) == 0) {
		ALWAYS(fuzz_clean(config.mcu, sizeof(config.mcu)));
		if (kf_kconfig_get(&config, "MCU", value, sizeof(value)))
			ALWAYS(strnlen(value, sizeof(value)) < sizeof(value));
		ALWAYS(kf_comm_name(config.comm) != NULL);
	}
	kf_kconfig_free(&config);
	return 0;
}
