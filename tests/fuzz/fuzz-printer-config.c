/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A printer.cfg, and the same bytes as what a Klippy answers of its MCUs. */
#include "fuzz/fuzz.h"
#include "klippy/printer-config.h"

static void check(struct kf_mcus *mcus)
{
	char chip[64];

	ALWAYS(mcus->count <= KF_MCUS_MAX);
	for (size_t i = 0; i < mcus->count; i++) {
		const struct kf_mcu *mcu = &mcus->list[i];

		kf_mcu_chip(mcu, chip);
		ALWAYS(fuzz_clean(mcu->name, sizeof(mcu->name)));
		ALWAYS(fuzz_clean(mcu->serial, sizeof(mcu->serial)));
		ALWAYS(fuzz_clean(mcu->canbus_interface, sizeof(mcu->canbus_interface)));
		ALWAYS(strspn(mcu->canbus_uuid, "0123456789abcdef") == strlen(mcu->canbus_uuid));
		ALWAYS(fuzz_clean(mcu->version, sizeof(mcu->version)) && fuzz_clean(chip, 64));
		ALWAYS(!mcu->kconfig || strlen(mcu->kconfig) <= KF_KCONFIG_MAX);
	}
	kf_mcus_free(mcus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	json_t *answer = json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, NULL);
	struct kf_mcus mcus;
	struct kf_error err;

	if (answer && kf_mcus_read(json_object_get(answer, "settings"),
				   json_object_get(answer, "status"), &mcus) == 0)
		check(&mcus);
	json_decref(answer);
	if (kf_printer_config_mcus(fuzz_file(data, len), &mcus, &err) == 0)
		check(&mcus);
	else
		ALWAYS(fuzz_clean(err.message, sizeof(err.message)));
	return 0;
}
