/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a client may say. Strict: a request has one member, and nothing is guessed. */
#include <string.h>

#include "systemd/lease.h"
#include "systemd/units.h"

int kf_lease_unit(const char *name, char ret[KF_NAME_SIZE], struct kf_error *err)
{
	static const char *const printers[] = { "klipper", "moonraker" };
	char unit[KF_NAME_SIZE];
	int r = kf_unit_name(name, unit, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < KF_ARRAY_SIZE(printers); i++) {
		if (strncmp(unit, printers[i], strlen(printers[i])) != 0)
			continue;
		strcpy(ret, unit);
		return 0;
	}
	return kf_fail(err, KF_PERMISSION,
		       "%s cannot be leased: only klipper* and moonraker* services can", unit);
}

static int add_unit(struct kf_lease_request *request, const char *name, struct kf_error *err)
{
	char unit[KF_NAME_SIZE];
	int r = kf_lease_unit(name, unit, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < request->count; i++)
		if (strcmp(request->units[i], unit) == 0)
			return 0;
	strcpy(request->units[request->count++], unit);
	return 0;
}

static int parse_units(const json_t *names, struct kf_lease_request *ret, struct kf_error *err)
{
	const json_t *name;
	size_t i;
	int r = 0;

	if (json_array_size(names) == 0 || json_array_size(names) > KF_LEASE_UNITS_MAX)
		return kf_fail(err, KF_PROTOCOL, "\"hold\" takes 1 to %d units",
			       KF_LEASE_UNITS_MAX);
	json_array_foreach(names, i, name)
	{
		if (r < 0)
			break;
		r = json_is_string(name)
			    ? add_unit(ret, json_string_value(name), err)
			    : kf_fail(err, KF_PROTOCOL, "the name of a unit is a string");
	}
	return r;
}

int kf_lease_parse(const char *text, size_t len, struct kf_lease_request *ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *said = NULL;
	const json_t *hold, *release;

	*ret = (struct kf_lease_request){ 0 };
	if (len <= KF_LEASE_MESSAGE_MAX)
		said = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	hold = json_object_get(said, "hold");
	release = json_object_get(said, "release");
	if (json_object_size(said) == 1 && json_is_array(hold))
		return parse_units(hold, ret, err);
	if (json_object_size(said) != 1 || !json_is_true(release))
		return kf_fail(err, KF_PROTOCOL,
			       "a request is {\"hold\": [UNIT...]} or {\"release\": true}");
	ret->release = true;
	return 0;
}

json_t *kf_lease_error(const struct kf_error *err)
{
	return json_pack("{s:s, s:s, s:s}", "error", kf_code_name(err->code), "message",
			 err->message, "hint", err->hint);
}
