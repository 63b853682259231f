/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/text.h"
#include "systemd/unit.h"
#include "unit/test.h"

TEST(names)
{
	static const char *const good[][2] = {
		{ "klipper", "klipper.service" },
		{ "klipper.service", "klipper.service" },
		{ "klipper-2", "klipper-2.service" },
		{ "klipper@2", "klipper@2.service" },
		{ "klipper@voron\\x2d2.service", "klipper@voron\\x2d2.service" },
		{ "my.printer", "my.printer.service" },
		{ "a:b_C", "a:b_C.service" },
	};
	char unit[KF_NAME_SIZE];

	for (size_t i = 0; i < KF_ARRAY_SIZE(good); i++) {
		CHECK(kf_unit_name(good[i][0], unit, NULL) == 0);
		CHECK_STR(unit, good[i][1]);
	}
}

TEST(names_that_are_none)
{
	static const char *const bad[] = { "",
					   "-u",
					   "--",
					   ".service",
					   "@2",
					   "klipper@",
					   "klipper@.service",
					   "klip per",
					   "../klipper",
					   "klipper*",
					   "klipper\n",
					   "klipper;reboot",
					   "klipper.target",
					   "klipper.socket",
					   "kl\xc3\xafpper" };
	char unit[KF_NAME_SIZE] = "untouched", longest[KF_NAME_SIZE + 1];
	struct kf_error err;

	for (size_t i = 0; i < KF_ARRAY_SIZE(bad); i++) {
		CHECK(kf_unit_name(bad[i], unit, &err) < 0);
		CHECK(err.code == KF_USAGE);
	}
	memset(longest, 'k', sizeof(longest));
	longest[KF_NAME_SIZE - sizeof(".service") + 1] = '\0';
	CHECK(kf_unit_name(longest, unit, &err) < 0);
	CHECK_STR(unit, "untouched");
	longest[KF_NAME_SIZE - sizeof(".service")] = '\0';
	CHECK(kf_unit_name(longest, unit, &err) == 0);
	CHECK(strlen(unit) == KF_NAME_SIZE - 1);
}

TEST(properties)
{
	struct kf_unit_state state = { 0 };
	char hostile[200];

	kf_unit_state_set(&state, "ActiveState", "active");
	kf_unit_state_set(&state, "MainPID", "812");
	kf_unit_state_set(&state, "CanStart", "yes");
	kf_unit_state_set(&state, "Transient", "no");
	kf_unit_state_set(&state, "Id", "klipper\033[2J");
	kf_unit_state_set(&state, "Nonsense", "yes");
	CHECK_STR(state.active, "active");
	CHECK(state.pid == 812 && state.can_start && !state.transient);
	CHECK(!strchr(state.id, '\033'));
	memset(hostile, 'x', sizeof(hostile) - 1);
	hostile[sizeof(hostile) - 1] = '\0';
	kf_unit_state_set(&state, "SubState", hostile);
	CHECK(strlen(state.sub) == sizeof(state.sub) - 1);
	CHECK_STR(state.active, "active");
}

TEST(lists_take_whole_names_of_several_properties)
{
	struct kf_unit_state state = { 0 };
	char many[5000] = "", name[16];

	kf_unit_state_set(&state, "RequiredBy", "a.service b.service");
	kf_unit_state_set(&state, "BoundBy", "");
	kf_unit_state_set(&state, "ConsistsOf", "c.service\033");
	CHECK_STR(state.stops_too, "a.service b.service c.service?");
	for (int i = 0; i < 399; i++) {
		kf_text_format(name, sizeof(name), "%03d.service", i);
		kf_text_add(many, sizeof(many), " ", name);
	}
	kf_unit_state_set(&state, "Wants", many);
	CHECK(!state.cut);
	CHECK(strlen(state.starts) < sizeof(state.starts));
	CHECK(strlen(state.starts) > sizeof(state.starts) - sizeof(name));
	CHECK(strncmp(state.starts, many, strlen(state.starts)) == 0);
	CHECK(many[strlen(state.starts)] == ' ');
}

TEST(up_and_down)
{
	/* org.freedesktop.systemd1(5), ActiveState. */
	static const struct {
		const char *active;
		bool starting, up, down;
	} cases[] = {
		{ "active", false, true, false },      { "reloading", false, true, false },
		{ "activating", false, true, false },  { "deactivating", false, false, false },
		{ "inactive", false, false, true },    { "failed", false, false, true },
		{ "deactivating", true, true, false }, { "maintenance", false, true, false },
		{ "inactive", true, true, true },
	};
	struct kf_unit_state ending = { .active = "active" };

	for (size_t i = 0; i < KF_ARRAY_SIZE(cases); i++) {
		struct kf_unit_state state = { .starting = cases[i].starting };

		kf_unit_state_set(&state, "ActiveState", cases[i].active);
		CHECK(kf_unit_is_up(&state) == cases[i].up);
		CHECK(kf_unit_is_down(&state) == cases[i].down);
	}
	CHECK(kf_unit_is_up(&ending) && kf_unit_is_settled(&ending));
	kf_unit_state_job(&ending, "stop");
	CHECK(!kf_unit_is_up(&ending) && !kf_unit_is_down(&ending));
	CHECK(!kf_unit_is_settled(&ending) && !kf_unit_runs(&ending));
	kf_unit_state_job(&ending, "restart");
	CHECK(kf_unit_is_up(&ending) && !kf_unit_is_settled(&ending));
}

TEST(a_crash_looping_unit_is_settled_between_two_tries)
{
	struct kf_unit_state state = { .active = "activating", .sub = "start" };

	CHECK(!kf_unit_is_settled(&state));
	kf_unit_state_set(&state, "SubState", "auto-restart");
	CHECK(kf_unit_is_settled(&state) && kf_unit_is_up(&state));
}

TEST_MAIN(T(names), T(names_that_are_none), T(properties),
	  T(lists_take_whole_names_of_several_properties), T(up_and_down),
	  T(a_crash_looping_unit_is_settled_between_two_tries))
