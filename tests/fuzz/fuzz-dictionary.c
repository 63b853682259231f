/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A dictionary as a board sends it, as an image holds it, and as klipper.dict spells it. */
#include "firmware/dictionary.h"
#include "fuzz/fuzz.h"

static void check(const struct kf_dictionary *d)
{
	char stripped[KF_NAME_SIZE];

	ALWAYS(fuzz_clean(d->app, sizeof(d->app)) && fuzz_clean(d->version, sizeof(d->version)) &&
	       fuzz_clean(d->mcu, sizeof(d->mcu)) && fuzz_clean(d->build, sizeof(d->build)));
	kf_version_strip(d->version, stripped);
	ALWAYS(strncmp(stripped, d->version, strlen(stripped)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kf_dictionary dictionary;
	struct kf_error err;
	size_t used;

	if (kf_dictionary_inflate(data, len, &dictionary, &used, &err) == 0) {
		ALWAYS(used <= len);
		check(&dictionary);
	}
	if (kf_dictionary_find(data, len, &dictionary, &err) == 0)
		check(&dictionary);
	if (kf_dictionary_parse((const char *)data, len, &dictionary, &err) == 0)
		check(&dictionary);
	return 0;
}
