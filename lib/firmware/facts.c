/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "firmware/dictionary.h"
#include "firmware/facts.h"
#include "firmware/kconfig.h"

enum { KCONFIG_MAX = 64 << 10, VALUE_SIZE = 256, CONSTANTS_MAX = 4096 };

static const char name_chars[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";

static bool is_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < KF_NAME_SIZE && strspn(name, name_chars) == len;
}

/* Copy the strings and integers that are clean; we know no constants of other types. */
static json_t *copy_constants(const json_t *constants)
{
	json_t *ret = json_object(), *value;
	char text[VALUE_SIZE];
	const char *name;

	json_object_foreach((json_t *)constants, name, value) {
		if (!is_name(name) || json_object_size(ret) >= CONSTANTS_MAX)
			continue;
		if (json_is_integer(value) ||
		    (json_is_string(value) &&
		     kf_text_clean(text, sizeof(text), json_string_value(value),
				   json_string_length(value))))
			json_object_set(ret, name, value);
	}
	return ret;
}

/* Copy the first word of each: "queue_step oid=%c interval=%u". */
static json_t *copy_commands(const json_t *commands)
{
	json_t *ret = json_object(), *value;
	char word[KF_NAME_SIZE];
	const char *format;

	json_object_foreach((json_t *)commands, format, value) {
		kf_text_format(word, sizeof(word), "%.*s", (int)strcspn(format, " "), format);
		if (is_name(word) && json_object_size(ret) < CONSTANTS_MAX)
			json_object_set_new(ret, word, json_true());
	}
	return ret;
}

/* Is the firmware what a tree builds by default? */
static bool is_default(const json_t *constants)
{
	static const struct {
		const char *name, *value;
	} all[] = { { "MCU", "atmega2560" },
		    { "CLOCK_FREQ", "16000000" },
		    { "RESERVE_PINS_serial", "PE0,PE1" },
		    { "SERIAL_BAUD", "250000" } };
	const struct kf_facts facts = { .constants = (json_t *)constants };
	char value[VALUE_SIZE];

	for (size_t i = 0; i < KF_ARRAY_SIZE(all); i++)
		if (!kf_facts_text(&facts, all[i].name, value, sizeof(value)) ||
		    strcmp(value, all[i].value) != 0)
			return false;
	return true;
}

/*
 * savedefconfig leaves out every symbol that has the tree's default. So an empty Kconfig may be a
 * real one, and only the constants tell whether it fits.
 */
static int copy_empty(const json_t *constants, char **ret, struct kf_error *err)
{
	if (!is_default(constants))
		return 0;
	*ret = strdup("");
	return *ret ? 0 : kf_fail(err, KF_INTERNAL, "no memory for a Kconfig");
}

/* Copy the Kconfig. If it is refused, refused gets the reason, and *ret stays NULL. */
static int copy_kconfig(const json_t *kconfig, const json_t *constants, char **ret,
			char refused[KF_NAME_SIZE], struct kf_error *err)
{
	struct kf_kconfig config = { 0 };
	struct kf_error why = { 0 };

	if (!kconfig || json_is_null(kconfig))
		return 0;
	if (json_is_string(kconfig) && json_string_length(kconfig) == 0)
		return copy_empty(constants, ret, err);
	if (!json_is_string(kconfig))
		kf_text_format(refused, KF_NAME_SIZE, "it is no text");
	else if (json_string_length(kconfig) > KCONFIG_MAX)
		kf_text_format(refused, KF_NAME_SIZE, "it is too large");
	else if (kf_kconfig_parse("it", json_string_value(kconfig), json_string_length(kconfig),
				  &config, &why) < 0)
		kf_text_format(refused, KF_NAME_SIZE, "%s",
			       why.message + (strncmp(why.message, "it: ", 4) == 0 ? 4 : 0));
	else
		*ret = TAKE_PTR(config.text);
	return 0;
}

int kf_facts_from(const json_t *constants, const json_t *kconfig, const json_t *commands,
		  struct kf_facts *ret, struct kf_error *err)
{
	struct kf_facts facts = { 0 };
	int r;

	facts.constants = copy_constants(constants);
	r = copy_kconfig(kconfig, facts.constants, &facts.kconfig, facts.refused, err);
	if (r < 0) {
		kf_facts_free(&facts);
		return r;
	}
	facts.commands = json_is_object(commands) ? copy_commands(commands) : NULL;
	*ret = facts;
	return 0;
}

int kf_facts_parse(const char *json, size_t len, struct kf_facts *ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *root = NULL;
	struct kf_dictionary dictionary;
	int r = kf_dictionary_parse(json, len, &dictionary, err);

	if (r < 0)
		return r;
	root = json_loadb(json, len, 0, NULL);
	return kf_facts_from(json_object_get(root, "config"), json_object_get(root, "kconfig"),
			     json_object_get(root, "commands"), ret, err);
}

void kf_facts_free(struct kf_facts *facts)
{
	free(facts->kconfig);
	json_decref(facts->constants);
	json_decref(facts->commands);
	*facts = (struct kf_facts){ 0 };
}

bool kf_facts_text(const struct kf_facts *facts, const char *name, char *ret, size_t size)
{
	const json_t *value = json_object_get(facts->constants, name);

	if (json_is_string(value))
		return kf_text_format(ret, size, "%s", json_string_value(value));
	return json_is_integer(value) &&
	       kf_text_format(ret, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
}
