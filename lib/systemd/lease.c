/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a client may say. Strict: a request has one member, and nothing is guessed. */
#include <stdlib.h>
#include <string.h>

#include "systemd/lease.h"
#include "systemd/units.h"

const char *kf_lease_socket(void)
{
	const char *path = getenv("KF_LEASE_SOCKET");

	return path && path[0] == '/' ? path : KF_LEASE_SOCKET;
}

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
		return kf_fail(err, KF_PROTOCOL, "a request names 1 to %d units",
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

static bool is_timeout(const json_t *timeout)
{
	return json_is_integer(timeout) && json_integer_value(timeout) >= 1 &&
	       json_integer_value(timeout) <= KF_LEASE_TIMEOUT_MAX;
}

static int parse(const json_t *said, struct kf_lease_request *ret, struct kf_error *err)
{
	const json_t *hold = json_object_get(said, "hold");
	const json_t *release = json_object_get(said, "release");
	const json_t *timeout = json_object_get(said, "timeout");
	size_t members = json_object_size(said);

	ret->release = release;
	if (json_is_array(hold) && (members == 1 || (members == 2 && is_timeout(timeout)))) {
		ret->timeout_ms = json_integer_value(timeout) * 1000;
		return parse_units(hold, ret, err);
	}
	if (members == 1 && json_is_array(release))
		return parse_units(release, ret, err);
	if (members == 1 && json_is_true(release))
		return 0;
	return kf_fail(err, KF_PROTOCOL,
		       "a request is {\"hold\": [UNIT...]} or {\"release\": true}");
}

int kf_lease_parse(const char *text, size_t len, struct kf_lease_request *ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *said = NULL;
	int r;

	*ret = (struct kf_lease_request){ 0 };
	if (len <= KF_LEASE_MESSAGE_MAX)
		said = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	r = parse(said, ret, err);
	if (r == kf_code_errno(KF_PROTOCOL))
		kf_error_hint(err, "see kf-leased(8); kf-service hold asks rightly");
	return r;
}

json_t *kf_lease_error(const struct kf_error *err)
{
	return json_pack("{s:s, s:s, s:s}", "error", kf_code_name(err->code), "message",
			 err->message, "hint", err->hint);
}
