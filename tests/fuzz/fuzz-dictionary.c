/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A dictionary as a board sends it, as an image holds it, and as klipper.dict spells it. */
#include "firmware/dictionary.h"
#include "firmware/facts.h"
#include "firmware/kconfig.h"
#include "firmware/version.h"
#include "fuzz/fuzz.h"

static void check_version(const char *version)
{
	struct kf_version v;

	if (kf_version_parse(version, &v))
		ALWAYS(v.hash[0] || v.tag[0]);
}

static void check(const struct kf_dictionary *d)
{
	char stripped[KF_NAME_SIZE];

	ALWAYS(fuzz_clean(d->app, sizeof(d->app)) && fuzz_clean(d->version, sizeof(d->version)) &&
	       fuzz_clean(d->mcu, sizeof(d->mcu)) && fuzz_clean(d->build, sizeof(d->build)));
	kf_version_strip(d->version, stripped);
	ALWAYS(strncmp(stripped, d->version, strlen(stripped)) == 0);
	check_version(d->version);
}

/* All text that is kept is clean, and its kconfig has only lines that Kconfig writes. */
static void check_facts(const char *json, size_t len)
{
	struct kf_facts facts = { 0 };
	struct kf_kconfig config = { 0 };
	struct kf_error err;
	const char *name;
	json_t *value;
	char text[16];

	if (kf_facts_parse(json, len, &facts, &err) < 0)
		return;
	if (facts.kconfig) {
		ALWAYS(kf_kconfig_parse("it", facts.kconfig, strlen(facts.kconfig), &config,
					&err) == 0);
		kf_kconfig_free(&config);
	}
	json_object_foreach(facts.constants, name, value) {
		ALWAYS(json_is_integer(value) || json_is_string(value));
		(void)kf_facts_text(&facts, name, text, sizeof(text));
	}
	kf_facts_free(&facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kf_dictionary dictionary;
	_cleanup_(kf_freep) char *json = NULL;
	struct kf_error err;
	size_t used, json_bytes;

	if (kf_dictionary_inflate(data, len, &json, &json_bytes, &used, &err) == 0) {
		ALWAYS(used <= len);
		if (kf_dictionary_parse(json, json_bytes, &dictionary, &err) == 0)
			check(&dictionary);
	}
	if (kf_dictionary_find(data, len, &dictionary, &err) == 0)
		check(&dictionary);
	if (kf_dictionary_parse((const char *)data, len, &dictionary, &err) == 0)
		check(&dictionary);
	check_facts((const char *)data, len);
	return 0;
}
