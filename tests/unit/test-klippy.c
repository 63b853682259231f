/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Command lines of Klippy's, as they are found, and what its answers mean. */
#include <stdlib.h>

#include "core/file.h"
#include "core/text.h"
#include "klippy/mcus.h"
#include "klippy/print-state.h"
#include "klippy/sources.h"
#include "unit/temp.h"
#include "unit/test.h"

#define RECORDED "tests/fixtures/klippy-api.jsonl"

/* sizeof a literal counts its last NUL, as /proc/PID/cmdline has one. */
#define PARSE(args, ret) kf_klippy_parse(args, sizeof(args) - 1, "/home/pi", "/home/pi", ret)

TEST(a_usual_klippy)
{
	struct kf_klippy k;

	CHECK(PARSE("/home/pi/klippy-env/bin/python\0/home/pi/klipper/klippy/klippy.py\0"
		    "/home/pi/printer_data/config/printer.cfg\0-I\0/home/pi/printer_data/comms/"
		    "klippy.serial\0-l\0/home/pi/printer_data/logs/klippy.log\0-a\0"
		    "/home/pi/printer_data/comms/klippy.sock\0",
		    &k));
	CHECK_STR(k.api, "/home/pi/printer_data/comms/klippy.sock");
	CHECK(k.folder_count == 1);
	CHECK_STR(k.folders[0], "/home/pi/printer_data");
}

TEST(every_spelling_of_an_option)
{
	struct kf_klippy k;

	CHECK(PARSE("klippy.py\0p.cfg\0-a/run/a\0", &k));
	CHECK_STR(k.api, "/run/a");
	CHECK(PARSE("python3\0klippy.py\0--api-server=/run/b\0p.cfg\0", &k));
	CHECK_STR(k.api, "/run/b");
	CHECK(PARSE("python3\0klippy.py\0--api-server\0c.sock\0p.cfg\0", &k));
	CHECK_STR(k.api, "/home/pi/c.sock");
	CHECK(PARSE("python3\0klippy.py\0--api=/run/e\0--log\0/l/m/klippy.log\0p.cfg\0", &k));
	CHECK_STR(k.api, "/run/e");
	CHECK_STR(k.folders[0], "/l");
	CHECK(PARSE("python\0-m\0klippy\0p2/config/p.cfg\0--api-server-user\0pi\0"
		    "--api-server-file-mode=0660\0-a\0/run/d\0",
		    &k));
	CHECK_STR(k.api, "/run/d");
	CHECK_STR(k.folders[0], "/home/pi/p2");
	CHECK_STR(k.folders[1], "/home/pi/printer_data");
}

TEST(a_klippy_without_a_socket)
{
	struct kf_klippy k;

	CHECK(PARSE("python2\0/opt/klippy.py\0printer.cfg\0", &k));
	CHECK_STR(k.api, "");
	CHECK(PARSE("python2\0/opt/klippy.py\0printer.cfg\0-a\0", &k));
	CHECK(PARSE("klippy.py\0", &k));
}

/* A process of another user's does not show where it is. */
TEST(a_relative_path_from_nowhere)
{
	static const char args[] = "python3\0klippy.py\0p/config/p.cfg\0-a\0comms/k.sock\0";
	struct kf_klippy k;

	CHECK(kf_klippy_parse(args, sizeof(args) - 1, "", "", &k));
	CHECK_STR(k.api, "");
	CHECK(k.folder_count == 0);
}

TEST(python_may_have_any_name_and_options)
{
	struct kf_klippy k;

	CHECK(PARSE("/home/pi/klipper/klippy/klippy.py\0p.cfg\0", &k));
	CHECK(PARSE("klipper-host\0/opt/klippy/klippy.py\0p.cfg\0", &k));
	CHECK(PARSE("python3\0/opt/klipper/klippy\0p.cfg\0", &k));
	CHECK(PARSE("python3\0-mklippy\0p.cfg\0", &k));
	CHECK(PARSE("python3\0-uIm\0klippy\0p.cfg\0-a\0/run/a\0", &k));
	CHECK_STR(k.api, "/run/a");
	CHECK(PARSE("python3\0-X\0dev\0-Wignore\0-u\0klippy.py\0p.cfg\0", &k));
}

TEST(klippy_as_an_argument_of_another_program)
{
	struct kf_klippy k;

	CHECK(!PARSE("sudo\0python3\0klippy.py\0p.cfg\0", &k));
	CHECK(!PARSE("python3\0/usr/bin/thonny\0/home/x/klippy.py\0", &k));
	CHECK(!PARSE("python3\0-m\0timeit\0klippy.py\0", &k));
	CHECK(!PARSE("python3\0-m\0pylint\0klippy\0", &k));
	CHECK(!PARSE("python3\0-c\0import x\0klippy.py\0", &k));
	CHECK(!PARSE("python3\0-m\0", &k));
	CHECK(!PARSE("python3\0-X\0", &k));
}

TEST(the_ports_of_a_configuration)
{
	_cleanup_(kf_json_decrefp) json_t *settings =
		json_pack("{s:{s:s}, s:{s:s}, s:{s:s}}", "mcu", "serial", "/dev/serial/by-id/usb-a",
			  "mcu tool", "serial", "/dev/ttyACM7", "output_pin x", "serial", "/dev/b");
	struct kf_board board = { .tty = "/dev/ttyACM7" };
	struct kf_mcus mcus;

	CHECK(kf_mcus_read(settings, NULL, &mcus) == 0 && mcus.count == 2);
	CHECK(kf_mcu_has_port(&mcus.list[1], &board) && !kf_mcu_has_port(&mcus.list[0], &board));
	KF_COPY(board.tty, "/dev/ttyACM0");
	CHECK(!kf_mcu_has_port(&mcus.list[0], &board) && !kf_mcu_has_port(&mcus.list[1], &board));
	KF_COPY(board.by_id, "/dev/serial/by-id/usb-a");
	CHECK(kf_mcu_has_port(&mcus.list[0], &board));
	kf_mcus_free(&mcus);
}

TEST(other_programs_are_no_klippy)
{
	struct kf_klippy k;

	CHECK(!PARSE("", &k));
	CHECK(!PARSE("python3\0moonraker.py\0-d\0/home/pi/printer_data\0", &k));
	CHECK(!PARSE("vi\0klippy.py.txt\0-a\0/x\0", &k));
	CHECK(!PARSE("\0\0\0", &k));
	CHECK(!kf_klippy_parse("klippy.py", 0, "/", "/", &k));
	CHECK(!kf_klippy_find(getpid(), &k));
}

TEST(more_words_than_we_look_at)
{
	struct kf_klippy k;
	char args[4000] = "klippy.py";

	CHECK(kf_klippy_parse(args, sizeof(args), "/", "", &k));
	CHECK(k.folder_count == 0);
}

TEST(moonrakers_port)
{
	static const struct {
		const char *text;
		unsigned port;
	} cases[] = {
		{ "[server]\nport: 7126\n", 7126 },
		{ "[server]\r\nhost = 0.0.0.0\r\nport = 7130 # second\r\n", 7130 },
		{ "[other]\nport: 1\n[server]\nport_x: 2\n[more]\nport: 3\n", KF_MOONRAKER_PORT },
		{ "[server]\nport: 99999\n", KF_MOONRAKER_PORT },
		{ "[server]\nport: {secrets.port}\n", KF_MOONRAKER_PORT },
		{ "", KF_MOONRAKER_PORT },
	};
	const char *path = temp_path("moonraker.conf");

	for (size_t i = 0; i < KF_ARRAY_SIZE(cases); i++) {
		CHECK(kf_file_write(path, cases[i].text, strlen(cases[i].text), NULL) == 0);
		CHECK(kf_moonraker_port(path) == cases[i].port);
	}
	CHECK(kf_moonraker_port(temp_path("missing")) == 0);
}

static const json_t *answer(const json_t *record, const char *question)
{
	const json_t *rx = json_object_get(json_object_get(record, question), "rx");

	return json_object_get(rx, "result");
}

TEST(every_recorded_state)
{
	static const enum kf_print want[] = { KF_PRINT_UNCLEAR,	    KF_PRINT_IDLE, KF_PRINT_FILE,
					      KF_PRINT_FILE_PAUSED, KF_PRINT_IDLE, KF_PRINT_DOWN,
					      KF_PRINT_UNCLEAR };
	FILE *f = fopen(RECORDED, "re");
	struct kf_print_state print;
	size_t seen = 0;

	CHECK(f);
	for (json_t *record; f && (record = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL)); seen++) {
		const json_t *info = answer(record, "klippy.sock info");

		if (seen >= KF_ARRAY_SIZE(want))
			break;
		kf_print_state_read(
			json_object_get(answer(record, "klippy.sock objects/query"), "status"),
			&print);
		CHECK(print.state == want[seen]);
		CHECK(kf_print_state_read_info(info, &print) ==
		      (want[seen] == KF_PRINT_UNCLEAR || want[seen] == KF_PRINT_DOWN));
		json_decref(record);
	}
	CHECK(seen == KF_ARRAY_SIZE(want));
	kf_fclosep(&f);
}

TEST_MAIN(T(a_usual_klippy), T(every_spelling_of_an_option), T(a_klippy_without_a_socket),
	  T(a_relative_path_from_nowhere), T(python_may_have_any_name_and_options),
	  T(klippy_as_an_argument_of_another_program), T(the_ports_of_a_configuration),
	  T(other_programs_are_no_klippy), T(more_words_than_we_look_at), T(moonrakers_port),
	  T(every_recorded_state))
