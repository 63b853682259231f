/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Klippy lower-cases the sections of its settings, and not the names of its objects: the two are
 * joined without regard to case. Everything in an answer may be of any type.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "board/port.h"
#include "core/text.h"
#include "klippy/mcus.h"
#include "klippy/sources.h"

enum { SOURCE_MS = 2000 };

static const struct {
	const char *name;
	size_t offset, size;
} texts[] = {
	{ "serial", offsetof(struct kf_mcu, serial), sizeof(((struct kf_mcu *)0)->serial) },
	{ "restart_method", offsetof(struct kf_mcu, restart_method),
	  sizeof(((struct kf_mcu *)0)->restart_method) },
	{ "canbus_interface", offsetof(struct kf_mcu, canbus_interface),
	  sizeof(((struct kf_mcu *)0)->canbus_interface) },
};

void kf_mcus_free(struct kf_mcus *mcus)
{
	for (size_t i = 0; i < mcus->count; i++) {
		json_decref(mcus->list[i].constants);
		free(mcus->list[i].kconfig);
	}
	free(mcus->list);
	*mcus = (struct kf_mcus){ 0 };
}

/* The sections "mcu" and "mcu NAME". */
static bool is_mcu(const char *section)
{
	return strcmp(section, "mcu") == 0 || strncmp(section, "mcu ", 4) == 0;
}

static const char *name_of(const char *section)
{
	return section[3] ? section + 4 : section;
}

static int find_or_add(struct kf_mcus *mcus, const char *section, struct kf_mcu **ret)
{
	const char *own = name_of(section);
	char name[sizeof((*ret)->name)];
	struct kf_mcu *list;

	KF_CLEAN(name, own);
	for (size_t i = 0; i < mcus->count; i++)
		if (strcmp(mcus->list[i].name, name) == 0) {
			*ret = &mcus->list[i];
			return 0;
		}
	if (mcus->count == KF_MCUS_MAX)
		return -E2BIG;
	list = reallocarray(mcus->list, mcus->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	mcus->list = list;
	*ret = &list[mcus->count++];
	**ret = (struct kf_mcu){ 0 };
	memcpy((*ret)->name, name, sizeof(name));
	return 0;
}

/* 12 digits in lower case, as Klippy's int(uuid, 16) reads any spelling; else empty. */
static void read_uuid(const char *value, char ret[KF_CAN_UUID_SIZE])
{
	char *end;
	unsigned long long uuid;

	/* A value that stands on the line after its option begins with the end of that line. */
	value += strspn(value, "\n");
	uuid = strtoull(value, &end, 16);
	ret[0] = '\0';
	if (isxdigit((unsigned char)value[0]) && !*end && uuid < 1ULL << 48)
		kf_text_format(ret, KF_CAN_UUID_SIZE, "%012llx", uuid);
}

static uint32_t read_baud(const char *value)
{
	char *end;
	unsigned long baud = strtoul(value, &end, 10);

	return isdigit((unsigned char)value[0]) && !*end && baud <= UINT32_MAX ? (uint32_t)baud : 0;
}

int kf_mcus_set(struct kf_mcus *mcus, const char *section, const char *option, const char *value,
		bool only_new)
{
	struct kf_mcu *mcu;
	int r;

	if (!is_mcu(section))
		return 0;
	r = find_or_add(mcus, section, &mcu);
	if (r < 0)
		return r;
	if (strcmp(option, "baud") == 0 && !(only_new && mcu->baud))
		mcu->baud = read_baud(value);
	if (strcmp(option, "canbus_uuid") == 0 && !(only_new && mcu->canbus_uuid[0]))
		read_uuid(value, mcu->canbus_uuid);
	for (size_t i = 0; i < KF_ARRAY_SIZE(texts); i++) {
		char *at = (char *)mcu + texts[i].offset;

		/* Klippy takes a value of several lines for a port. No port has such a name: it
		 * counts as empty. */
		if (strcmp(option, texts[i].name) == 0 && !(only_new && *at))
			kf_text_clean(at, texts[i].size, value,
				      strchr(value, '\n') ? 0 : strlen(value));
	}
	return 0;
}

void kf_mcus_default(struct kf_mcus *mcus, const struct kf_mcu *other)
{
	for (struct kf_mcu *mcu = mcus->list; mcu < mcus->list + mcus->count; mcu++) {
		for (size_t i = 0; i < KF_ARRAY_SIZE(texts); i++) {
			char *at = (char *)mcu + texts[i].offset;

			if (!*at)
				memcpy(at, (const char *)other + texts[i].offset, texts[i].size);
		}
		if (!mcu->canbus_uuid[0])
			memcpy(mcu->canbus_uuid, other->canbus_uuid, sizeof(mcu->canbus_uuid));
		if (!mcu->baud)
			mcu->baud = other->baud;
	}
}

/* Klippy opens these without a baud rate (klippy/mcu.py): a PRU's, and the host's own MCU. */
static bool is_pipe(const struct kf_mcu *mcu)
{
	static const char pru[] = "/dev/rpmsg_";

	return strncmp(mcu->serial, pru, strlen(pru)) == 0 || kf_path_is_process(mcu->serial);
}

void kf_mcus_complete(struct kf_mcus *mcus)
{
	struct kf_mcu first;

	for (size_t i = 0; i < mcus->count; i++) {
		struct kf_mcu *mcu = &mcus->list[i];

		/* A canbus_uuid outranks serial. */
		if (mcu->canbus_uuid[0]) {
			mcu->serial[0] = '\0';
			if (!mcu->canbus_interface[0])
				strcpy(mcu->canbus_interface, "can0");
		}
		if (!mcu->serial[0] || is_pipe(mcu))
			mcu->baud = 0;
		else if (!mcu->baud)
			mcu->baud = KF_BAUD_DEFAULT;
		if (i > 0 && strcmp(mcu->name, "mcu") == 0) {
			first = *mcu;
			memmove(&mcus->list[1], &mcus->list[0], i * sizeof(first));
			mcus->list[0] = first;
		}
	}
}

void kf_mcu_chip(const struct kf_mcu *mcu, char ret[64])
{
	kf_text_clean(ret, 64, kf_json_text(mcu->constants, "MCU"), SIZE_MAX);
}

bool kf_mcu_has_port(const struct kf_mcu *mcu, const struct kf_board *board)
{
	return kf_board_has_port(board, mcu->serial);
}

/* Reads what the firmware itself told, from an mcu's object. */
static void read_object(struct kf_mcu *mcu, const json_t *object)
{
	json_t *constants = json_object_get(object, "mcu_constants"),
	       *kconfig = json_object_get(object, "mcu_kconfig");

	KF_CLEAN(mcu->version, kf_json_text(object, "mcu_version"));
	KF_CLEAN(mcu->app, kf_json_text(object, "app"));
	if (json_is_object(constants) && !mcu->constants)
		mcu->constants = json_incref(constants);
	/* The Kconfig of an ATmega2560 is empty (firmware/facts.h). */
	if (json_is_string(kconfig) && !mcu->kconfig &&
	    json_string_length(kconfig) <= KF_KCONFIG_MAX &&
	    strlen(json_string_value(kconfig)) == json_string_length(kconfig))
		mcu->kconfig = strdup(json_string_value(kconfig));
}

static int read_section(struct kf_mcus *mcus, const char *section, const json_t *options)
{
	const char *option, *text;
	json_t *value;
	char number[24];
	int r = 0;

	json_object_foreach((json_t *)options, option, value) {
		text = json_string_value(value);
		if (json_is_integer(value)) {
			kf_text_format(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
				       json_integer_value(value));
			text = number;
		}
		if (r == 0 && text)
			r = kf_mcus_set(mcus, section, option, text, false);
	}
	return r;
}

int kf_mcus_read(const json_t *settings, const json_t *status, struct kf_mcus *ret)
{
	_cleanup_(kf_mcus_free) struct kf_mcus mcus = { 0 };
	const char *section, *name;
	json_t *options, *object;
	int r = 0;

	json_object_foreach((json_t *)settings, section, options) {
		if (r == 0 && is_mcu(section))
			r = read_section(&mcus, section, options);
	}
	json_object_foreach((json_t *)status, name, object) {
		for (size_t i = 0; is_mcu(name) && i < mcus.count; i++) {
			struct kf_mcu *mcu = &mcus.list[i];

			if (strcasecmp(mcu->name, name_of(name)) != 0)
				continue;
			kf_text_clean(mcu->name, sizeof(mcu->name), name_of(name),
				      strlen(name_of(name)));
			read_object(mcu, object);
		}
	}
	if (r < 0)
		return r;
	kf_mcus_complete(&mcus);
	*ret = mcus;
	mcus = (struct kf_mcus){ 0 }; /* the caller's now */
	return 0;
}

/*
 * Ask for configfile, the print's objects, and every mcu object in the list. A name that is not
 * clean is not asked for.
 */
static json_t *make_query(const json_t *names)
{
	json_t *query = kf_print_state_objects(), *name;
	size_t most = json_object_size(query) + 1 + KF_MCUS_MAX;
	char clean[KF_NAME_SIZE];
	size_t i;

	json_object_set_new(query, "configfile", json_pack("[s]", "settings"));
	json_array_foreach(names, i, name) {
		if (json_is_string(name) && is_mcu(json_string_value(name)) &&
		    kf_text_clean(clean, sizeof(clean), json_string_value(name),
				  json_string_length(name)) &&
		    json_object_size(query) < most)
			json_object_set_new(query, clean,
					    json_pack("[s, s, s, s]", "mcu_version", "app",
						      "mcu_constants", "mcu_kconfig"));
	}
	return query;
}

static void read_info(const json_t *info, struct kf_klippy_facts *ret)
{
	const char *message = json_string_value(json_object_get(info, "state_message"));

	KF_CLEAN(ret->state, kf_json_text(info, "state"));
	if (strcmp(ret->state, "ready") == 0 || !message)
		message = "";
	message += strspn(message, "\n");
	if (*message)
		kf_text_clean(ret->message, sizeof(ret->message), message, strcspn(message, "\n"));
	KF_CLEAN(ret->version, kf_json_text(info, "software_version"));
	KF_CLEAN(ret->tree, kf_json_text(info, "software_path"));
	if (!ret->tree[0])
		KF_CLEAN(ret->tree, kf_json_text(info, "klipper_path"));
	KF_CLEAN(ret->python, kf_json_text(info, "python_path"));
	KF_CLEAN(ret->config, kf_json_text(info, "config_file"));
}

static int ask_all(struct kf_source *source, const json_t *info, void *arg, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *names = NULL;
	_cleanup_(kf_json_decrefp) json_t *query = NULL;
	_cleanup_(kf_json_decrefp) json_t *status = NULL;
	struct kf_klippy_facts *ret = arg;
	int r = kf_source_list(source, &names, err);

	if (r < 0)
		return r;
	query = make_query(names);
	r = kf_source_query(source, query, &status, err);
	if (r < 0)
		return r;
	*ret = (struct kf_klippy_facts){ 0 };
	read_info(info, ret);
	if (!kf_print_state_read_info(info, &ret->print))
		kf_print_state_read(status, &ret->print);
	r = kf_mcus_read(json_object_get(json_object_get(status, "configfile"), "settings"), status,
			 &ret->mcus);
	if (r == -E2BIG)
		return kf_fail(err, KF_PRINTER_UNKNOWN, "names more than %d MCUs", KF_MCUS_MAX);
	return r < 0 ? kf_fail_sys(err, -r, "cannot keep what Klippy tells") : 0;
}

int kf_klippy_ask(const struct kf_klippy *klippy, int64_t deadline_ms, struct kf_klippy_facts *ret,
		  struct kf_error *err)
{
	return kf_sources_try(klippy, SOURCE_MS, deadline_ms, ask_all, ret, err);
}

bool kf_klippy_version(const struct kf_klippy *klippy, const struct kf_board *board,
		       int64_t deadline_ms, char ret[KF_NAME_SIZE])
{
	struct kf_klippy_facts facts = { 0 };
	bool told = false;

	if (kf_klippy_ask(klippy, deadline_ms, &facts, NULL) < 0)
		return false;
	for (size_t i = 0; i < facts.mcus.count && !told; i++) {
		const struct kf_mcu *mcu = &facts.mcus.list[i];

		told = mcu->version[0] &&
		       (kf_mcu_has_port(mcu, board) ||
			(board->link.uuid[0] && strcmp(mcu->canbus_uuid, board->link.uuid) == 0));
		kf_text_format(ret, KF_NAME_SIZE, "%s", mcu->version);
	}
	kf_mcus_free(&facts.mcus);
	return told;
}
