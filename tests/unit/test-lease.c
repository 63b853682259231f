/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "systemd/lease.h"
#include "unit/test.h"

static int parse(const char *text, struct kf_lease_request *ret)
{
	struct kf_error err;

	return kf_lease_parse(text, strlen(text), ret, &err);
}

TEST(root_may_lease_any_unit_others_only_a_printers)
{
	struct kf_error err;

	CHECK(kf_lease_may("ssh.service", 0, &err) == 0);
	CHECK(kf_lease_may("klipper.service", 1000, &err) == 0);
	CHECK(kf_lease_may("klipper@2.service", 1000, &err) == 0);
	CHECK(kf_lease_may("moonraker-1.service", 1000, &err) == 0);
	CHECK(kf_lease_may("klipper.socket", 1000, &err) < 0 && err.code == KF_PERMISSION);
	CHECK(kf_lease_may("my-klipper.service", 1000, &err) < 0);
	CHECK(kf_lease_may("ssh.service", 1000, &err) < 0 && strstr(err.hint, "sudo"));
}

TEST(a_request_says_units_and_how_long)
{
	struct kf_lease_request request;

	CHECK(parse("{\"hold\":[\"klipper\",\"klipper.service\",\"x\"]}", &request) == 0);
	CHECK(!request.status && request.count == 2 && !request.while_unknown);
	CHECK(request.timeout_ms == 30000 && request.wait_ms == 60000);
	CHECK_STR(request.units[0], "klipper.service");
	CHECK(parse("{\"hold\":[\"x\"],\"timeout\":1,\"wait\":0,\"while_unknown\":true}",
		    &request) == 0);
	CHECK(request.timeout_ms == 1000 && request.wait_ms == 0 && request.while_unknown);
	CHECK(parse("{\"status\":[\"klipper\"]}", &request) == 0 && request.status);
}

TEST(what_is_not_exactly_a_request_is_refused)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"{\"hold\":[]}",
		"{\"hold\":\"klipper\"}",
		"{\"hold\":[1]}",
		"{\"hold\":[\"../x\"]}",
		"{\"hold\":[\"klipper.target\"]}",
		"{\"hold\":[\"klipper\"],\"timeout\":0}",
		"{\"hold\":[\"klipper\"],\"timeout\":3601}",
		"{\"hold\":[\"klipper\"],\"timeout\":\"1\"}",
		"{\"hold\":[\"klipper\"],\"wait\":-1}",
		"{\"hold\":[\"klipper\"],\"while_unknown\":1}",
		"{\"hold\":[\"klipper\"],\"force\":true}",
		"{\"hold\":[\"klipper\"],\"status\":[\"klipper\"]}",
		"{\"status\":[\"klipper\"],\"timeout\":1}",
		"{\"release\":true}",
		"{\"hold\":[\"klipper\"],\"hold\":[\"klipper\"]}",
	};
	struct kf_lease_request request;

	for (size_t i = 0; i < KF_ARRAY_SIZE(bad); i++)
		CHECK(parse(bad[i], &request) < 0);
}

TEST(an_error_survives_the_way)
{
	struct kf_error there = { 0 }, here = { 0 };
	json_t *answer;

	kf_fail(&there, KF_PRINTING, "klipper.service is printing");
	kf_error_hint(&there, "wait");
	answer = kf_lease_error(&there);
	CHECK(kf_lease_read_error(answer, &here) < 0);
	CHECK(here.code == KF_PRINTING);
	CHECK_STR(here.message, there.message);
	CHECK_STR(here.hint, "wait");
	json_decref(answer);
	CHECK(kf_lease_read_error(NULL, &here) < 0 && here.code == KF_PROTOCOL);
}

TEST_MAIN(T(root_may_lease_any_unit_others_only_a_printers), T(a_request_says_units_and_how_long),
	  T(what_is_not_exactly_a_request_is_refused), T(an_error_survives_the_way))
