/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mcus.ini and fleet.json: what comes out can be registered, and leads nowhere else. */
#include "core/import.h"
#include "core/settings.h"
#include "fuzz/fuzz.h"

static void check(const json_t *result)
{
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach(json_object_get(result, "devices"), key, value)
	{
		ALWAYS(kf_key_valid(key) && json_object_get(value, "serial_pattern"));
		ALWAYS(kf_settings_check_members(key, value, NULL) == 0);
	}
	json_object_foreach(json_object_get(result, "configs"), key, value)
	{
		const char *path = json_string_value(value);

		ALWAYS(path && *path != '/' && !strstr(path, "..") &&
		       fuzz_clean(path, strlen(path) + 1));
	}
	json_array_foreach(json_object_get(result, "left"), i, value)
	{
		const char *reason = json_string_value(json_object_get(value, "reason"));

		ALWAYS(reason && fuzz_clean(reason, strlen(reason) + 1));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static int (*const readers[])(const char *, size_t, json_t **,
				      struct kf_error *) = { kf_import_ukam, kf_import_fleet };
	struct kf_error err;

	for (size_t i = 0; i < KF_ARRAY_SIZE(readers); i++) {
		_cleanup_(kf_json_decrefp) json_t *result = NULL;

		if (readers[i]((const char *)data, len, &result, &err) == 0)
			check(result);
		else
			ALWAYS(fuzz_clean(err.message, sizeof(err.message)));
	}
	return 0;
}
