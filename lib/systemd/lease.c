/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Strict: a request with an unknown or missing member is refused. */
#include <stdlib.h>
#include <string.h>

#include "systemd/lease.h"
#include "systemd/unit.h"

enum { TIMEOUT_S = 30, WAIT_S = 60 };

const char *kf_lease_socket(void)
{
	const char *path = getenv("KF_LEASE_SOCKET");

	return path && path[0] == '/' ? path : KF_LEASE_SOCKET;
}

int kf_lease_may(const char *unit, uid_t uid, struct kf_error *err)
{
	if (uid == 0 || kf_unit_name_is_printers(unit))
		return 0;
	kf_fail(err, KF_PERMISSION,
		"%s cannot be leased: only klipper* and moonraker* services can, and the units "
		"that stop along with them",
		unit);
	return kf_error_hint(err, "root may lease any unit: run the same command with sudo");
}

static int parse_units(const json_t *names, struct kf_lease_request *ret, struct kf_error *err)
{
	const json_t *name;
	size_t i;
	int r = 0;

	if (json_array_size(names) == 0 || json_array_size(names) > KF_UNITS_MAX)
		return kf_fail(err, KF_PROTOCOL, "a request names 1 to %d units", KF_UNITS_MAX);
	json_array_foreach(names, i, name) {
		if (r < 0)
			break;
		r = json_is_string(name)
			    ? kf_unit_add(ret->units, &ret->count, json_string_value(name), err)
			    : kf_fail(err, KF_PROTOCOL, "the name of a unit is a string");
	}
	return r;
}

/* Whole seconds, if they are there. Returns how many members that is, or -1. */
static int parse_seconds(const json_t *request, const char *name, int least, int64_t *ret_ms)
{
	const json_t *value = json_object_get(request, name);
	json_int_t seconds = json_integer_value(value);

	if (!value)
		return 0;
	if (!json_is_integer(value) || seconds < least || seconds > KF_LEASE_TIMEOUT_MAX)
		return -1;
	*ret_ms = seconds * 1000;
	return 1;
}

static int parse_hold(const json_t *request, struct kf_lease_request *ret, struct kf_error *err)
{
	const json_t *unknown = json_object_get(request, "while_unknown");
	int timeout = parse_seconds(request, "timeout", 1, &ret->timeout_ms);
	int wait = parse_seconds(request, "wait", 0, &ret->wait_ms);
	size_t known = 1 + (size_t)(timeout > 0) + (size_t)(wait > 0) + (unknown != NULL);

	if (timeout < 0 || wait < 0 || (unknown && !json_is_boolean(unknown)) ||
	    json_object_size(request) != known)
		return kf_fail(err, KF_PROTOCOL,
			       "beside \"hold\" there may be \"timeout\" and \"wait\" (seconds, %d "
			       "at most) and \"while_unknown\"",
			       KF_LEASE_TIMEOUT_MAX);
	ret->while_unknown = json_is_true(unknown);
	return parse_units(json_object_get(request, "hold"), ret, err);
}

static int parse(const json_t *request, struct kf_lease_request *ret, struct kf_error *err)
{
	const json_t *units = json_object_get(request, "status");

	ret->status = json_object_size(request) == 1 && json_is_array(units);
	if (ret->status)
		return parse_units(units, ret, err);
	if (json_is_array(json_object_get(request, "hold")))
		return parse_hold(request, ret, err);
	return kf_fail(err, KF_PROTOCOL,
		       "a request is {\"hold\": [UNIT...]} or {\"status\": [UNIT...]}");
}

int kf_lease_parse(const char *text, size_t len, struct kf_lease_request *ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *request = NULL;
	int r;

	*ret = (struct kf_lease_request){ .timeout_ms = TIMEOUT_S * 1000,
					  .wait_ms = WAIT_S * 1000 };
	if (len <= KF_LEASE_MESSAGE_MAX)
		request = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	r = parse(request, ret, err);
	if (r == kf_code_errno(KF_PROTOCOL))
		kf_error_hint(err, "see kf-leased(8); kf-service hold sends the right requests");
	return r;
}

json_t *kf_lease_error(const struct kf_error *err)
{
	return json_pack("{s:s, s:s, s:s}", "error", kf_code_name(err->code), "message",
			 err->message, "hint", err->hint);
}

int kf_lease_read_error(const json_t *answer, struct kf_error *err)
{
	const char *code = json_string_value(json_object_get(answer, "error"));
	const char *message = json_string_value(json_object_get(answer, "message"));
	const char *hint = json_string_value(json_object_get(answer, "hint"));
	enum kf_code is = code ? kf_code_find(code) : KF_CODE_COUNT;
	int r = kf_fail(err, is < KF_CODE_COUNT ? is : KF_PROTOCOL, "%s",
			message ? message : "kf-leased's answer cannot be read");

	if (hint && hint[0])
		kf_error_hint(err, "%s", hint);
	return r;
}
