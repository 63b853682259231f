/* SPDX-License-Identifier: GPL-3.0-or-later */
/* printer.cfg as Klippy reads it, and what it says of MCUs. */
#include <stdlib.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/text.h"
#include "klippy/printer-config.h"
#include "unit/temp.h"
#include "unit/test.h"

static char *told; /* "section|option|value\n", '*' behind what is saved */

static void tell(const struct kf_setting *setting, void *arg)
{
	size_t used = strlen(told);

	(void)arg;
	snprintf(told + used, 8192 - used, "%s|%s|%s%s\n", setting->section, setting->option,
		 setting->value, setting->saved ? "*" : "");
}

static void write_file(const char *name, const char *text)
{
	CHECK(kf_file_write(temp_path(name), text, strlen(text), NULL) == 0);
}

/* What "printer.cfg" tells, or the message why it is refused, without the folder. */
static const char *reading(const char *name)
{
	static char buf[8192];
	struct kf_error err = { 0 };
	size_t folder = strlen(temp_path("")) + 1;

	told = buf;
	buf[0] = '\0';
	if (kf_printer_config_read(temp_path(name), tell, NULL, &err) < 0)
		return strncmp(err.message, temp_path(""), folder - 1) == 0
			       ? strcpy(buf, err.message + folder)
			       : strcpy(buf, err.message);
	return buf;
}

static const char *reading_text(const char *text)
{
	write_file("printer.cfg", text);
	return reading("printer.cfg");
}

TEST(comments_case_and_delimiters)
{
	CHECK_STR(reading_text("# head\n"
			       "[mcu]\n"
			       "Serial: /dev/a#b\n"
			       "baud = 115200 ; inline\n"
			       "x: a;b\n"
			       "; all of the line\n"
			       "   # so too\n"
			       "[mcu Head] # of the tool\n"
			       "canbus_uuid=12=3:4\n"),
		  "mcu|serial|/dev/a\nmcu|baud|115200\nmcu|x|a;b\nmcu Head|canbus_uuid|12=3:4\n");
}

TEST(a_value_of_several_lines_is_no_other_option)
{
	CHECK_STR(reading_text("[gcode_macro A]\n"
			       "gcode:\n"
			       "  [mcu]\n"
			       "  serial: /dev/b\n"
			       "\n"
			       "  M84\n"
			       "[mcu]\n"
			       "  serial: /dev/c\n"
			       "  baud: 1\n"),
		  "gcode_macro A|gcode|\n[mcu]\nserial: /dev/b\nM84\n"
		  "mcu|serial|/dev/c\nmcu|baud|1\n");
	/* An include ends it, and so does the end of the file. */
	write_file("x.cfg", "[x]\ny: 1\n 2");
	CHECK_STR(reading_text("[a]\nb: 1\n  2 ; no\n[include x.cfg]\n"), "a|b|1\n2\nx|y|1\n2\n");
}

TEST(line_ends_of_other_systems)
{
	CHECK_STR(reading_text("[mcu]\r\nserial: /dev/a\r\n\r\n[b]\rc: d\r"),
		  "mcu|serial|/dev/a\nb|c|d\n");
}

TEST(includes_from_the_folder_of_the_file_that_has_them)
{
	write_file("sub/b.cfg", "[b]\nx: 1\n[include more/*.cfg]\n");
	write_file("sub/more/2.cfg", "[two]\nx: 2\n");
	write_file("sub/more/1.cfg", "[one]\nx: 1\n");
	write_file("sub/more/.hidden.cfg", "[hidden]\nx: 1\n");
	CHECK_STR(reading_text("[a]\nx: 0\n[include sub/b.cfg] # too\n[include none/*.cfg]\n[c]\n"
			       "x: 3\n"),
		  "a|x|0\nb|x|1\none|x|1\ntwo|x|2\nc|x|3\n");
	/* Behind an include no section goes on. */
	CHECK_STR(reading_text("[a]\n[include sub/more/1.cfg]\nx: 0\n"),
		  "printer.cfg: line 3 stands in no section");
	CHECK_STR(reading_text("[include gone.cfg]\n"), "gone.cfg: No such file or directory");
}

TEST(an_include_of_itself)
{
	write_file("loop.cfg", "[include printer.cfg]\n");
	CHECK_STR(reading_text("[include printer.cfg]\n"), "printer.cfg: includes itself");
	CHECK_STR(reading_text("[include loop.cfg]\n"), "printer.cfg: includes itself");
	/* Twice is no loop. */
	write_file("twice.cfg", "[a]\nx: 1\n");
	CHECK_STR(reading_text("[include twice.cfg]\n[include twice.cfg]\n"), "a|x|1\na|x|1\n");
}

TEST(the_block_of_save_config)
{
	static const char head[] =
		"#*# <---------------------- SAVE_CONFIG ---------------------->\n"
		"#*# DO NOT EDIT THIS BLOCK OR BELOW. The contents are auto-generated.\n"
		"#*#\n";
	char text[1024];

	kf_text_format(text, sizeof(text), "[mcu]\nserial: a\n\n%s%s", head,
		       "#*# [mcu]\n#*# serial = b\n#*#\n#*# [mesh]\n#*# points =\n#*# \t  1, 2\n");
	CHECK_STR(reading_text(text), "mcu|serial|a\nmcu|serial|b*\nmesh|points|\n1, 2*\n");
	/* Somebody wrote below it: Klippy takes all of it for comments. */
	kf_text_format(text, sizeof(text), "[mcu]\nserial: a\n\n%s%s", head,
		       "#*# [mcu]\n#*# baud = 1\n[b]\nx: 1\n");
	CHECK_STR(reading_text(text), "mcu|serial|a\nb|x|1\n");
}

TEST(what_is_no_configuration)
{
	CHECK_STR(reading_text("serial: /dev/a\n"), "printer.cfg: line 1 stands in no section");
	CHECK_STR(reading_text("[mcu]\nserial\n"), "printer.cfg: line 2 is no \"option: value\"");
	CHECK_STR(reading_text("[mcu]\n: a\n"), "printer.cfg: line 2 is no \"option: value\"");
	CHECK(kf_file_write(temp_path("printer.cfg"), "[mcu]\n\0x", 8, NULL) == 0);
	CHECK_STR(reading("printer.cfg"), "printer.cfg: not a text file");
	CHECK_STR(reading("missing.cfg"), "missing.cfg: No such file or directory");
	CHECK(mkfifo(temp_path("fifo"), 0600) == 0);
	CHECK_STR(reading("fifo"), "fifo: not a regular file");
	CHECK_STR(reading("."), ".: not a regular file");
}

TEST(bounds)
{
	size_t size = 5 << 20;
	char *text = malloc(size + 1), name[32];

	memset(text, '#', size);
	text[size] = '\0';
	write_file("large.cfg", text);
	CHECK_STR(reading("large.cfg"),
		  "large.cfg: with all files of its configuration more than 4 MiB");
	text[1 << 20] = '\0';
	for (int i = 0; i < 5; i++) {
		kf_text_format(name, sizeof(name), "part/%d.cfg", i);
		write_file(name, text);
	}
	CHECK_STR(reading_text("[include part/*.cfg]\n"),
		  "part/3.cfg: with all files of its configuration more than 4 MiB");
	for (int i = 0; i < 20; i++) {
		kf_text_format(name, sizeof(name), "deep/%d.cfg", i);
		kf_text_format(text, size, "[include %d.cfg]\n", i + 1);
		write_file(name, text);
	}
	CHECK_STR(reading_text("[include deep/0.cfg]\n"),
		  "deep/15.cfg: included over more than 16 files");
	text[0] = '\0';
	for (int i = 0; i < 300; i++)
		strcat(text, "[include empty.cfg]\n");
	write_file("empty.cfg", "");
	CHECK_STR(reading_text(text), "empty.cfg: the file after the 256th of one configuration");
	free(text);
	/* All of a machine's files would take minutes. */
	CHECK_STR(reading_text("[include /*/*/*/*/*.none]\n"),
		  "printer.cfg: line 1 includes a pattern that looks at too many files");
}

TEST(mcus)
{
	struct kf_mcus mcus;
	struct kf_error err;

	write_file("printer.cfg", "[mcu EBB]\ncanbus_uuid: 44DB3D63488\n"
				  "[mcu rpi]\nserial: /tmp/klipper_host_mcu\n"
				  "[mcux]\nserial: /dev/no\n"
				  "[mcu]\nserial: /dev/a\nbaud: 1\n"
				  "[mcu T0]\nserial: /dev/b\nrestart_method: command\n"
				  "[mcu bad]\ncanbus_uuid: <your uuid>\n"
				  "[mcu]\nserial: /dev/c\x1b[31m\n");
	CHECK(kf_printer_config_mcus(temp_path("printer.cfg"), &mcus, &err) == 0);
	CHECK(mcus.count == 5);
	CHECK_STR(mcus.list[0].name, "mcu");
	CHECK_STR(mcus.list[0].serial, "/dev/c?[31m");
	CHECK(mcus.list[0].baud == 1);
	CHECK_STR(mcus.list[1].name, "EBB");
	CHECK_STR(mcus.list[1].canbus_uuid, "044db3d63488");
	CHECK_STR(mcus.list[1].canbus_interface, "can0");
	CHECK(mcus.list[1].baud == 0);
	CHECK_STR(mcus.list[2].name, "rpi");
	CHECK(mcus.list[2].baud == 0);
	CHECK(mcus.list[3].baud == KF_BAUD_DEFAULT);
	CHECK_STR(mcus.list[3].restart_method, "command");
	CHECK_STR(mcus.list[4].canbus_uuid, "");
	kf_mcus_free(&mcus);
	write_file("printer.cfg", "[printer]\nkinematics: none\n");
	CHECK(kf_printer_config_mcus(temp_path("printer.cfg"), &mcus, &err) < 0);
	CHECK(err.code == KF_CONFIG && strstr(err.message, "has no [mcu]"));
}

static json_t *parse(const char *text)
{
	return json_loads(text, 0, NULL);
}

TEST(what_klippy_says_of_its_mcus)
{
	json_t *settings = parse("{\"mcu\": {\"serial\": \"/dev/a\", \"baud\": 250000},"
				 " \"mcu second head\": {\"canbus_uuid\": \"aabbccddeeff\"},"
				 " \"printer\": {\"serial\": \"no\"}, \"mcu lies\": [1]}"),
	       *status = parse(
		       "{\"mcu\": {\"mcu_version\": \"v1\", \"app\": null,"
		       "   \"mcu_constants\": {\"MCU\": \"rp2040\"}, \"mcu_kconfig\": \"A=y\\n\"},"
		       " \"mcu Second Head\": {\"mcu_version\": \"v2\", \"app\": \"Kalico\","
		       "   \"mcu_kconfig\": \"\"},"
		       " \"mcu lies\": {\"mcu_version\": 7, \"mcu_constants\": 1},"
		       " \"mcu stranger\": {\"mcu_version\": \"v3\"}}");
	struct kf_mcus mcus;
	char chip[64];

	CHECK(kf_mcus_read(settings, status, &mcus) == 0);
	CHECK(mcus.count == 2);
	CHECK_STR(mcus.list[0].version, "v1");
	CHECK_STR(mcus.list[0].app, "");
	CHECK_STR(mcus.list[0].kconfig, "A=y\n");
	kf_mcu_chip(&mcus.list[0], chip);
	CHECK_STR(chip, "rp2040");
	CHECK_STR(mcus.list[1].name, "Second Head");
	CHECK_STR(mcus.list[1].version, "v2");
	CHECK_STR(mcus.list[1].app, "Kalico");
	CHECK_STR(mcus.list[1].kconfig, "");
	kf_mcu_chip(&mcus.list[1], chip);
	CHECK_STR(chip, "");
	kf_mcus_free(&mcus);
	CHECK(kf_mcus_read(status, settings, &mcus) == 0);
	kf_mcus_free(&mcus);
	CHECK(kf_mcus_read(NULL, NULL, &mcus) == 0 && mcus.count == 0);
	json_decref(settings);
	json_decref(status);
}

static struct kf_mcus mcus_of(const char *text, struct kf_error *err)
{
	struct kf_mcus mcus = { 0 };

	*err = (struct kf_error){ 0 };
	write_file("printer.cfg", text);
	IGNORE_RESULT(kf_printer_config_mcus(temp_path("printer.cfg"), &mcus, err));
	return mcus;
}

TEST(what_stands_in_default_is_every_mcus)
{
	struct kf_error err;
	struct kf_mcus mcus = mcus_of("[DEFAULT]\nbaud: 115200\nserial: /dev/all\n"
				      "[mcu]\nserial: /dev/own\n[mcu b]\nx: 1\n"
				      "[mcu c]\ncanbus_uuid: aabbccddeeff\n[default]\nbaud: 9\n",
				      &err);

	CHECK(mcus.count == 3);
	CHECK_STR(mcus.list[0].serial, "/dev/own");
	CHECK(mcus.list[0].baud == 115200);
	CHECK_STR(mcus.list[1].serial, "/dev/all");
	CHECK_STR(mcus.list[2].serial, "");
	CHECK_STR(mcus.list[2].canbus_interface, "can0");
	kf_mcus_free(&mcus);
}

TEST(a_uuid_on_the_line_after_its_option)
{
	struct kf_error err;
	struct kf_mcus mcus =
		mcus_of("[mcu]\nserial:\n  /dev/a\ncanbus_uuid:\n  44DB3D634885 # tool\n"
			"[mcu b]\nserial:\n  /dev/a\n[mcu c]\ncanbus_uuid: 44db3d634885\n  0\n",
			&err);
	json_t *settings = parse("{\"mcu\": {\"canbus_uuid\": \"\\n44db3d634885\"}}");

	CHECK(mcus.count == 3);
	CHECK_STR(mcus.list[0].canbus_uuid, "44db3d634885");
	CHECK_STR(mcus.list[1].serial, "");
	CHECK_STR(mcus.list[2].canbus_uuid, "");
	kf_mcus_free(&mcus);
	CHECK(kf_mcus_read(settings, NULL, &mcus) == 0);
	CHECK_STR(mcus.list[0].canbus_uuid, "44db3d634885");
	kf_mcus_free(&mcus);
	json_decref(settings);
}

TEST(kalicos_references)
{
	struct kf_error err;
	struct kf_mcus mcus =
		mcus_of("[mcu]\nserial: /dev/serial/by-id/${constants.Board}-if${nr}\n"
			"nr: 00\n[mcu b]\ncanbus_uuid: ${constants.uuid}\n"
			"baud: ${constants:speed}\n"
			"[constants]\nboard: usb-${kind}_1\nkind: Klipper\n"
			"uuid: aabbccddeeff\nspeed: 1\n[DEFAULT]\nkind: no\n",
			&err);

	/* What [constants] says counts in [constants], before [DEFAULT]. */
	CHECK(mcus.count == 2);
	CHECK_STR(mcus.list[0].serial, "/dev/serial/by-id/usb-Klipper_1-if00");
	CHECK_STR(mcus.list[1].canbus_uuid, "aabbccddeeff");
	kf_mcus_free(&mcus);
	mcus = mcus_of("[mcu]\nserial: ${nothing.here}\n", &err);
	CHECK(mcus.count == 0 && err.code == KF_CONFIG);
	CHECK(strstr(err.message, ": \"${nothing.here}\" of an [mcu] names no other setting"));
	mcus = mcus_of("[mcu]\nserial: ${serial}\n", &err);
	CHECK(mcus.count == 0 && err.code == KF_CONFIG);
	mcus = mcus_of("[mcu]\nserial: ${a\n", &err);
	CHECK(mcus.count == 0 && err.code == KF_CONFIG);
	/* Only those of MCUs are read. */
	mcus = mcus_of("[mcu]\nserial: /dev/a\n[x]\ny: ${nothing.here}\n", &err);
	CHECK(mcus.count == 1);
	kf_mcus_free(&mcus);
}

TEST(folders_of_any_depth)
{
	mkdir(temp_path("any"), 0700);
	mkdir(temp_path("any/a"), 0700);
	mkdir(temp_path("any/a/b"), 0700);
	write_file("any/z.cfg", "[z]\nx: 1\n");
	write_file("any/a/y.cfg", "[y]\nx: 1\n");
	write_file("any/a/b/x.cfg", "[x]\nx: 1\n");
	CHECK_STR(reading_text("[include any/**/*.cfg]\n"), "x|x|1\ny|x|1\nz|x|1\n");
	CHECK_STR(reading_text("[include any/**/b/*.cfg]\n"), "x|x|1\n");
	CHECK_STR(reading_text("[include any/**/none.cfg]\n"), "");
}

TEST_MAIN(T(comments_case_and_delimiters), T(a_value_of_several_lines_is_no_other_option),
	  T(line_ends_of_other_systems), T(includes_from_the_folder_of_the_file_that_has_them),
	  T(an_include_of_itself), T(the_block_of_save_config), T(what_is_no_configuration),
	  T(bounds), T(mcus), T(what_klippy_says_of_its_mcus),
	  T(what_stands_in_default_is_every_mcus), T(a_uuid_on_the_line_after_its_option),
	  T(kalicos_references), T(folders_of_any_depth))
