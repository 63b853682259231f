/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A table has the member for each property; values are cleaned when they are set. */
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "systemd/unit.h"

enum kind { TEXT, LIST, FLAG, NUMBER };

#define MEMBER(name, kind, member)                                                                 \
	{                                                                                          \
		name, kind, offsetof(struct kf_unit_state, member),                                \
			sizeof(((struct kf_unit_state *)0)->member)                                \
	}

static const struct {
	const char *name;
	enum kind kind;
	size_t offset, size;
} properties[] = {
	MEMBER("LoadState", TEXT, load),
	MEMBER("ActiveState", TEXT, active),
	MEMBER("SubState", TEXT, sub),
	MEMBER("UnitFileState", TEXT, unit_file),
	MEMBER("Result", TEXT, result),
	MEMBER("Id", TEXT, id),
	MEMBER("Job", TEXT, job),
	MEMBER("ActiveEnterTimestampMonotonic", TEXT, since),
	MEMBER("Requires", LIST, starts),
	MEMBER("BindsTo", LIST, starts),
	MEMBER("Wants", LIST, starts),
	MEMBER("RequiredBy", LIST, stops_too),
	MEMBER("RequisiteOf", LIST, stops_too),
	MEMBER("BoundBy", LIST, stops_too),
	MEMBER("ConsistsOf", LIST, stops_too),
	MEMBER("PropagatesStopTo", LIST, stops_too),
	MEMBER("MainPID", NUMBER, pid),
	MEMBER("CanStart", FLAG, can_start),
	MEMBER("Transient", FLAG, transient),
};

int kf_unit_name(const char *name, char ret[KF_NAME_SIZE], struct kf_error *err)
{
	/* systemd.unit(5): the characters of a name, and the kinds of unit. */
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789:-_.\\@";
	static const char *const kinds[] = {
		".socket", ".device", ".mount", ".automount", ".swap",
		".target", ".path",   ".timer", ".slice",     ".scope"
	};
	size_t len = strlen(name);
	const char *dot = strrchr(name, '.'), *at;
	bool full = dot && strcmp(dot, ".service") == 0;
	char whole[KF_NAME_SIZE];

	for (size_t i = 0; dot && i < KF_ARRAY_SIZE(kinds); i++)
		if (strcmp(dot, kinds[i]) == 0)
			return kf_fail(err, KF_USAGE, "%s is not a service", name);
	if (len == 0 || strspn(name, allowed) != len || strchr("-.@", name[0]) ||
	    !kf_text_format(whole, sizeof(whole), "%s%s", name, full ? "" : ".service"))
		return kf_fail(err, KF_USAGE, "\"%.64s\" cannot be the name of a service", name);
	at = strchr(whole, '@');
	if (at && strcmp(at, "@.service") == 0)
		return kf_fail(err, KF_USAGE, "%s is a template: name an instance, as in %.*s@1",
			       name, (int)(at - whole), whole);
	strcpy(ret, whole);
	return 0;
}

int kf_unit_add(char (*units)[KF_NAME_SIZE], size_t *count, const char *name, struct kf_error *err)
{
	char unit[KF_NAME_SIZE];
	int r = kf_unit_name(name, unit, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < *count; i++)
		if (strcmp(units[i], unit) == 0)
			return 0;
	if (*count == KF_UNITS_MAX)
		return kf_fail(err, KF_USAGE, "more than %d units", KF_UNITS_MAX);
	strcpy(units[(*count)++], unit);
	return 0;
}

bool kf_unit_name_is_printers(const char *unit)
{
	const char *dot = strrchr(unit, '.');

	return dot && strcmp(dot, ".service") == 0 &&
	       (strncmp(unit, "klipper", 7) == 0 || strncmp(unit, "moonraker", 9) == 0);
}

bool kf_unit_next(const char **list, char ret[KF_NAME_SIZE])
{
	size_t len = strcspn(*list, " ");

	kf_text_clean(ret, KF_NAME_SIZE, *list, len);
	*list += len + ((*list)[len] == ' ');
	return len > 0;
}

/* Several properties may add to one list. Did it fit? */
static bool add_names(char *list, size_t size, const char *names)
{
	char name[KF_NAME_SIZE];
	bool fits = true;

	while (kf_unit_next(&names, name))
		fits = kf_text_add(list, size, " ", name) && fits;
	return fits;
}

void kf_unit_state_set(struct kf_unit_state *state, const char *name, const char *value)
{
	for (size_t i = 0; i < KF_ARRAY_SIZE(properties); i++) {
		char *at = (char *)state + properties[i].offset;

		if (strcmp(name, properties[i].name) != 0)
			continue;
		switch (properties[i].kind) {
		case TEXT:
			kf_text_clean(at, properties[i].size, value, strlen(value));
			break;
		case LIST:
			if (!add_names(at, properties[i].size, value) && at == state->stops_too)
				state->cut = true;
			break;
		case FLAG:
			*(bool *)at = strcmp(value, "yes") == 0;
			break;
		case NUMBER:
			*(uint32_t *)(void *)at = (uint32_t)strtoul(value, NULL, 10);
			break;
		}
	}
}

void kf_unit_state_job(struct kf_unit_state *state, const char *type)
{
	state->starting = strcmp(type, "start") == 0 || strcmp(type, "restart") == 0;
	state->ending = strcmp(type, "stop") == 0;
}

bool kf_unit_is_down(const struct kf_unit_state *state)
{
	return strcmp(state->active, "failed") == 0 || strcmp(state->active, "inactive") == 0;
}

bool kf_unit_has_ended(const struct kf_unit_state *state)
{
	return kf_unit_is_down(state) && !state->starting;
}

bool kf_unit_runs(const struct kf_unit_state *state)
{
	return !state->ending &&
	       (strcmp(state->active, "active") == 0 || strcmp(state->active, "reloading") == 0);
}

bool kf_unit_is_up(const struct kf_unit_state *state)
{
	return state->starting || (!kf_unit_is_down(state) && !state->ending &&
				   strcmp(state->active, "deactivating") != 0);
}

bool kf_unit_is_settled(const struct kf_unit_state *state)
{
	if (state->ending)
		return false;
	if (strcmp(state->sub, "auto-restart") == 0)
		return true;
	return !state->starting && (kf_unit_is_down(state) || kf_unit_runs(state));
}

const char *kf_unit_stuck(const struct kf_unit_state *state)
{
	if (strcmp(state->load, "loaded") != 0)
		return state->load;
	if (state->transient)
		return "transient";
	return state->can_start ? NULL : "it cannot be started by hand (RefuseManualStart=)";
}
