/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The XDG Base Directory Specification, and "~". */
#include <errno.h>
#include <stdlib.h>

#include "core/paths.h"
#include "unit/test.h"

TEST(defaults_lie_below_home)
{
	char path[PATH_MAX];

	setenv("HOME", "/home/pi", 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("XDG_CACHE_HOME");
	unsetenv("XDG_STATE_HOME");
	CHECK(kf_path(KF_DIR_CONFIG, path, NULL, "configs/%s/.config", "a") == 0);
	CHECK_STR(path, "/home/pi/.config/kalico-flash/configs/a/.config");
	CHECK(kf_path(KF_DIR_CACHE, path, NULL, "%s", "") == 0);
	CHECK_STR(path, "/home/pi/.cache/kalico-flash");
	CHECK(kf_path(KF_DIR_STATE, path, NULL, "x") == 0);
	CHECK_STR(path, "/home/pi/.local/state/kalico-flash/x");
}

TEST(variables_count_if_absolute)
{
	char path[PATH_MAX];

	setenv("HOME", "/home/pi", 1);
	setenv("XDG_CONFIG_HOME", "/etc/xdg", 1);
	CHECK(kf_path(KF_DIR_CONFIG, path, NULL, "devices.json") == 0);
	CHECK_STR(path, "/etc/xdg/kalico-flash/devices.json");
	setenv("XDG_CONFIG_HOME", "relative", 1);
	CHECK(kf_path(KF_DIR_CONFIG, path, NULL, "devices.json") == 0);
	CHECK_STR(path, "/home/pi/.config/kalico-flash/devices.json");
	setenv("XDG_CONFIG_HOME", "", 1);
	CHECK(kf_path(KF_DIR_CONFIG, path, NULL, "devices.json") == 0);
	CHECK_STR(path, "/home/pi/.config/kalico-flash/devices.json");
}

TEST(without_home_the_user_database_tells)
{
	char path[PATH_MAX];

	setenv("HOME", "not/absolute", 1);
	unsetenv("XDG_CONFIG_HOME");
	if (kf_path(KF_DIR_CONFIG, path, NULL, "x") == 0)
		CHECK(path[0] == '/');
	unsetenv("HOME");
	if (kf_path_expand("~", path, NULL) == 0)
		CHECK(path[0] == '/');
}

TEST(too_long_is_an_error)
{
	char big[PATH_MAX + 10], path[PATH_MAX] = "untouched";
	struct kf_error err;

	setenv("HOME", "/home/pi", 1);
	unsetenv("XDG_CONFIG_HOME");
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	CHECK(kf_path(KF_DIR_CONFIG, path, &err, "%s", big) == -EINVAL);
	CHECK(err.code == KF_CONFIG);
	CHECK_STR(path, "untouched");
	big[PATH_MAX - 10] = '\0';
	CHECK(kf_path(KF_DIR_CONFIG, path, &err, "%s", big) == -EINVAL);
	big[0] = '/';
	setenv("XDG_CONFIG_HOME", big, 1);
	CHECK(kf_path(KF_DIR_CONFIG, path, &err, "x") == -EINVAL);
	unsetenv("XDG_CONFIG_HOME");
	CHECK_STR(path, "untouched");
}

TEST(tilde)
{
	char path[PATH_MAX], big[PATH_MAX + 2];

	setenv("HOME", "/home/pi", 1);
	CHECK(kf_path_expand("~/klipper", path, NULL) == 0);
	CHECK_STR(path, "/home/pi/klipper");
	CHECK(kf_path_expand("~", path, NULL) == 0);
	CHECK_STR(path, "/home/pi");
	CHECK(kf_path_expand("/opt/~/x", path, NULL) == 0);
	CHECK_STR(path, "/opt/~/x");
	CHECK(kf_path_expand("~other/x", path, NULL) ==
	      0); /* another user's is not ours to guess */
	CHECK_STR(path, "~other/x");
	memset(big, 'x', sizeof(big));
	big[PATH_MAX] = '\0';
	CHECK(kf_path_expand(big, path, NULL) == -EINVAL);
}

TEST_MAIN(T(defaults_lie_below_home), T(variables_count_if_absolute),
	  T(without_home_the_user_database_tells), T(too_long_is_an_error), T(tilde))
