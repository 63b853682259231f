/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers to a numbered list of boards; and where our other programs are. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"
#include "core/toolpath.h"
#include "registry/choosing.h"
#include "unit/machine.h"

static const char *const keys[] = { "octopus-pro", "nitehawk", "2" };

/* The chosen boards as a string of + and -, or the error. */
static const char *choose(const char *answer)
{
	static char text[sizeof(((struct kf_error *)0)->message)];
	json_t *boards = json_array(), *chosen = NULL;
	struct kf_board board = { 0 };
	struct kf_error err;
	size_t at = 0;
	int r;

	for (size_t i = 0; i < 3; i++) {
		kf_text_format(board.key, sizeof(board.key), "%s", keys[i]);
		json_array_append_new(boards, kf_record_new(&board));
	}
	r = kf_choosing_read(boards, answer, &chosen, &err);
	for (size_t i = 0; i < 3; i++) {
		bool here = json_array_get(chosen, at) == json_array_get(boards, i);

		text[i] = here ? '+' : '-';
		at += here;
	}
	strcpy(text + 3, (r == 1) != (at > 0) || at != json_array_size(chosen) ? " wrong" : "");
	json_decref(chosen);
	json_decref(boards);
	return r < 0 ? strcpy(text, err.message) : text;
}

TEST(answers)
{
	CHECK_STR(choose("1"), "+--");
	CHECK_STR(choose("1 3"), "+-+");
	CHECK_STR(choose("3,1,1"), "+-+");
	CHECK_STR(choose("nitehawk"), "-+-");
	CHECK_STR(choose("2"), "-+-"); /* the number, not the key */
	CHECK_STR(choose("a"), "+++");
	CHECK_STR(choose("ALL"), "+++");
	CHECK_STR(choose("q"), "---");
	CHECK_STR(choose(""), "---");
	CHECK_STR(choose(" , "), "---");
}

TEST(not_understood)
{
	CHECK_STR(choose("0"), "\"0\" is not one of these boards");
	CHECK_STR(choose("4"), "\"4\" is not one of these boards");
	CHECK_STR(choose("1 x"), "\"x\" is not one of these boards");
	CHECK_STR(choose("-1"), "\"-1\" is not one of these boards");
	CHECK_STR(choose("18446744073709551617"),
		  "\"18446744073709551617\" is not one of these boards");
}

/* The message and the hint if the only board is excluded. */
static const char *none_but(const char *reason)
{
	struct kf_board board = { .key = "octo", .connected = true, .excluded = true };
	json_t *boards = json_array(), *list = NULL;
	static char text[1200];
	struct kf_error err;

	kf_text_format(board.reason, sizeof(board.reason), "%s", reason);
	json_array_append_new(boards, kf_record_new(&board));
	CHECK(kf_choosing_list(boards, false, false, &list, &err) == -ENODEV && !list);
	json_decref(boards);
	kf_text_format(text, sizeof(text), "%s; %s", err.message, err.hint);
	return text;
}

TEST(excluded)
{
	CHECK_STR(none_but("flashable is false in devices.json"),
		  "octo is connected, but excluded: flashable is false in devices.json; to include "
		  "it: kf set octo flashable=true");
	CHECK_STR(none_but("mine"),
		  "octo is connected, but excluded: mine; to include it, remove it from "
		  "blocked_devices in devices.json");
}

TEST(tools_are_beside_us_or_on_path)
{
	char path[PATH_MAX], dir[] = "/tmp/kf-test-XXXXXX", file[64];
	struct kf_error err;

	NEED_PROC();
	CHECK(kf_tool_find("test-choosing", path, &err) == 0); /* this very program */
	CHECK(strstr(path, "/tests/unit/test-choosing"));
	CHECK(kf_tool_find("kf-test-tool", path, &err) == -ENOENT && err.code == KF_CONFIG);
	CHECK(kf_tool_find("../unit/test-choosing", path, &err) == -ENOENT);

	CHECK(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/kf-test-tool", dir);
	CHECK(mkdir(file, 0700) == 0); /* a folder is no tool */
	setenv("PATH", dir, 1);
	CHECK(kf_tool_find("kf-test-tool", path, &err) == -ENOENT);
	rmdir(file);
	fclose(fopen(file, "w"));
	CHECK(kf_tool_find("kf-test-tool", path, &err) == -ENOENT); /* not executable */
	chmod(file, 0700);
	CHECK(kf_tool_find("kf-test-tool", path, &err) == 0);
	CHECK_STR(path, file);
	CHECK(chdir(dir) == 0);
	setenv("PATH", ".:", 1);
	CHECK(kf_tool_find("kf-test-tool", path, &err) == -ENOENT); /* not from where we stand */
	unlink(file);
	rmdir(dir);
}

TEST_MAIN(T(answers), T(not_understood), T(excluded), T(tools_are_beside_us_or_on_path))
