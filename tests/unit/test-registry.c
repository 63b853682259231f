/* SPDX-License-Identifier: GPL-3.0-or-later */
/* devices.json read, refused, changed and written. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"
#include "registry/device.h"
#include "registry/registry.h"
#include "registry/settings.h"
#include "unit/test.h"

static char home[] = "/tmp/kf-registry-XXXXXX";
static char file[64];

static void put(const char *text)
{
	CHECK(kf_file_write(file, text, strlen(text), NULL) == 0);
}

static char *got(void)
{
	char *text = NULL;
	size_t len;

	CHECK(kf_file_read(file, 1 << 20, &text, &len, NULL) == 0);
	return text;
}

/* The error of reading the text. */
static const char *refusal(const char *text)
{
	static struct kf_error err;
	struct kf_registry reg = { 0 };

	put(text);
	err = (struct kf_error){ 0 };
	if (kf_registry_load(&reg, &err) == 0) {
		kf_registry_close(&reg);
		return "accepted";
	}
	CHECK(err.code == KF_CONFIG);
	CHECK(strncmp(err.message, file, strlen(file)) == 0);
	return err.message + strlen(file) + 2;
}

TEST(missing_is_empty)
{
	struct kf_registry reg = { 0 };
	struct kf_device dev;
	struct kf_error err = { 0 };
	void *at = NULL;

	unlink(file);
	CHECK(kf_registry_load(&reg, NULL) == 0);
	CHECK(!kf_registry_next(&reg, &at, &dev));
	CHECK(kf_registry_device(&reg, "octopus", &dev, &err) < 0);
	CHECK(err.code == KF_NOT_REGISTERED);
	CHECK(strstr(err.hint, "kf add"));
	CHECK_STR(kf_registry_klipper_dir(&reg, NULL), "~/klipper");
	CHECK_STR(kf_registry_katapult_dir(&reg), "~/katapult");
	CHECK_STR(kf_registry_flash_method(&reg, NULL), "katapult");
	CHECK(kf_registry_allow_fallback(&reg));
	CHECK(kf_registry_skip_menuconfig(&reg));
	kf_registry_close(&reg);
	CHECK(access(file, F_OK) < 0);
}

TEST(corrupt_names_line_and_column)
{
	struct kf_registry reg = { 0 };
	char *after;

	CHECK(strncmp(refusal("{\n  \"global\": {,}\n}\n"), "line 2, column 14: ", 19) == 0);
	CHECK(strncmp(refusal("{"), "line 1, column 1: ", 18) == 0);
	CHECK_STR(refusal(""), "the file is empty");
	CHECK_STR(refusal(" \n"), "the file is empty");
	CHECK(strstr(refusal("{\"a\":1,\"a\":2}"), "duplicate"));
	put("{\"devices\":");
	CHECK(kf_registry_open(&reg, NULL) == -EINVAL);
	after = got();
	CHECK_STR(after, "{\"devices\":");
	free(after);
}

TEST(wrong_types_name_device_and_member)
{
	CHECK_STR(refusal("[]"), "the file has an array, not an object");
	CHECK_STR(refusal("{\"global\":{\"klipper_dir\":3}}"),
		  "\"global\": \"klipper_dir\" is a number, not a string");
	CHECK_STR(refusal("{\"octopus\":{\"mcu\":\"rp2040\"}}"),
		  "the file has no \"devices\", so no board would be registered");
	CHECK_STR(refusal("{\"devices\":[]}"), "\"devices\" is an array, not an object");
	CHECK_STR(refusal("{\"devices\":{\"a\":7}}"), "device \"a\" is a number, not an object");
	CHECK_STR(refusal("{\"devices\":{\"a\":{\"mcu\":[]}}}"),
		  "device \"a\": \"mcu\" is an array, not a string");
	CHECK_STR(refusal("{\"devices\":{\"a\":{\"flashable\":\"no\"}}}"),
		  "device \"a\": \"flashable\" is a string, not true or false");
	CHECK_STR(refusal("{\"devices\":{\"a\":{\"flash_method\":\"hid\"}}}"),
		  "device \"a\": \"flash_method\" is \"hid\", not katapult, picoboot, dfu, "
		  "avrdude, bossac, host_mcu, make_flash, flashtool, dfu_util or sdcard");
	CHECK_STR(refusal("{\"devices\":{\"a\":{\"usb_port\":\"1-\"}}}"),
		  "device \"a\": \"usb_port\" is \"1-\", not a USB port such as 1-1.2");
	CHECK(strncmp(refusal("{\"devices\":{\"../a\":{}}}"), "device \"../a\": not a valid key",
		      29) == 0);
	CHECK(strstr(refusal("{\"devices\":{\"a\":{\"name\":\"x\\u001b[2J\"}}}"), "control"));
	CHECK_STR(refusal("{\"blocked_devices\":[{}]}"),
		  "\"blocked_devices\"[0] has no \"pattern\"");
	CHECK_STR(refusal("{\"devices\":{\"a\":{\"flash_method\":null}},\"new\":[7]}"), "accepted");
}

TEST(unknown_members_and_order_survive)
{
	static const char text[] = "{\n"
				   "  \"zeta\": [\n    1,\n    2.5,\n    0.1\n  ],\n"
				   "  \"devices\": {\n"
				   "    \"b\": {\n"
				   "      \"future\": {\n        \"x\": null\n      },\n"
				   "      \"name\": \"B\u00e9\"\n"
				   "    },\n"
				   "    \"a\": {}\n"
				   "  },\n"
				   "  \"global\": {\n    \"stagger\": 3\n  }\n"
				   "}\n";
	struct kf_registry reg = { 0 };
	struct stat st;
	char *after;

	put(text);
	CHECK(kf_registry_open(&reg, NULL) == 0);
	CHECK(kf_registry_save(&reg, NULL) == 0);
	kf_registry_close(&reg);
	after = got();
	CHECK_STR(after, text);
	free(after);
	CHECK(stat(file, &st) == 0 && (st.st_mode & 0777) == 0600);
}

TEST(invalid_values_are_not_saved)
{
	struct kf_registry reg = { 0 };
	struct kf_error err = { 0 };
	char *after;

	put("{}");
	CHECK(kf_registry_open(&reg, NULL) == 0);
	json_object_set_new(reg.root, "devices", json_integer(1));
	CHECK(kf_registry_save(&reg, &err) < 0 && err.code == KF_CONFIG);
	kf_registry_close(&reg);
	after = got();
	CHECK_STR(after, "{}");
	free(after);
	CHECK(kf_registry_load(&reg, NULL) == 0);
	CHECK(kf_registry_save(&reg, &err) < 0 && err.code == KF_INTERNAL);
	kf_registry_close(&reg);
}

TEST(link_is_written_through)
{
	char real[64];
	struct kf_registry reg = { 0 };
	struct stat st;

	snprintf(real, sizeof(real), "%s/dotfiles.json", home);
	unlink(file);
	CHECK(kf_file_write(real, "{}", 2, NULL) == 0);
	CHECK(symlink(real, file) == 0);
	CHECK(kf_registry_open(&reg, NULL) == 0);
	json_object_set_new(reg.root, "kept", json_true());
	CHECK(kf_registry_save(&reg, NULL) == 0);
	kf_registry_close(&reg);
	CHECK(lstat(file, &st) == 0 && S_ISLNK(st.st_mode));
	CHECK(stat(real, &st) == 0 && st.st_size > 2);
	unlink(file);
}

TEST(writers_lose_nothing)
{
	enum { WRITERS = 8, ROUNDS = 5 };
	struct kf_registry reg = { 0 };
	int status;

	put("{}");
	for (int w = 0; w < WRITERS; w++) {
		if (fork() != 0)
			continue;
		for (int i = 0; i < ROUNDS; i++) {
			char member[16];

			snprintf(member, sizeof(member), "w%d-%d", w, i);
			if (kf_registry_open(&reg, NULL) < 0 ||
			    json_object_set_new(reg.root, member, json_true()) < 0 ||
			    kf_registry_save(&reg, NULL) < 0)
				_exit(1);
			kf_registry_close(&reg);
		}
		_exit(0);
	}
	for (int w = 0; w < WRITERS; w++)
		CHECK(wait(&status) > 0 && status == 0);
	CHECK(kf_registry_load(&reg, NULL) == 0);
	CHECK(json_object_size(reg.root) == WRITERS * ROUNDS);
	kf_registry_close(&reg);
}

TEST(devices_are_read_out)
{
	struct kf_registry reg = { 0 };
	struct kf_device dev;
	struct kf_error err = { 0 };
	void *at = NULL;

	put("{\"global\":{\"klipper_dir\":\"/k\",\"default_flash_method\":\"make_flash\","
	    "\"allow_flash_fallback\":false,\"skip_menuconfig\":false},"
	    "\"devices\":{\"b\":{\"pattern\":\"usb-b*\",\"klipper_dir\":\"/own\"},"
	    "\"a\":{\"name\":\"A\",\"mcu\":\"rp2040\",\"flashable\":false,"
	    "\"flash_method\":\"flashtool\"}}}");
	CHECK(kf_registry_load(&reg, NULL) == 0);
	CHECK(kf_registry_next(&reg, &at, &dev));
	CHECK_STR(dev.key, "b");
	CHECK_STR(dev.pattern, "usb-b*");
	CHECK(!dev.name && !dev.mcu && dev.flashable);
	CHECK_STR(kf_registry_klipper_dir(&reg, &dev), "/own");
	CHECK_STR(kf_registry_flash_method(&reg, &dev), "make_flash");
	CHECK(kf_registry_next(&reg, &at, &dev));
	CHECK(!kf_registry_next(&reg, &at, &dev));
	CHECK(kf_registry_device(&reg, "a", &dev, NULL) == 0);
	CHECK_STR(dev.name, "A");
	CHECK(!dev.flashable);
	CHECK_STR(kf_registry_klipper_dir(&reg, &dev), "/k");
	CHECK_STR(kf_registry_flash_method(&reg, &dev), "flashtool");
	CHECK(!kf_registry_allow_fallback(&reg) && !kf_registry_skip_menuconfig(&reg));
	CHECK(kf_registry_device(&reg, "c", &dev, &err) < 0);
	CHECK_STR(err.hint, "the registered boards: b, a");
	kf_registry_close(&reg);
}

/* Call kf_device_set for a board with these members; returns its error message, "" if it succeeds.
 */
static const char *says(const char *members, const char *assignment, struct kf_error *err)
{
	char *assignments[] = { (char *)assignment, NULL };
	char text[256];

	kf_text_format(text, sizeof(text), "{\"devices\":{\"x\":{%s}}}", members);
	put(text);
	*err = (struct kf_error){ 0 };
	CHECK((kf_device_set("x", assignments, err) == 0) == (err->code == KF_OK));
	CHECK(err->code == KF_OK || err->code == KF_USAGE);
	return err->message;
}

TEST(settings_of_no_use_to_a_board)
{
#define USB(mcu) "\"mcu\":\"" mcu "\",\"serial_pattern\":\"usb-Klipper_" mcu "_29001A*\""
	static const struct {
		const char *members, *assignment, *says;
	} cases[] = {
		{ USB("atmega2560"), "flash_method=katapult",
		  "the flash method katapult cannot be for a atmega2560" },
		{ USB("atmega2560"), "flash_method=make_flash", "" },
		{ USB("stm32f446"), "flash_method=avrdude",
		  "the flash method avrdude cannot be for a stm32f446" },
		{ USB("stm32f446"), "flash_method=dfu", "" },
		{ USB("stm32f103"), "flash_method=dfu",
		  "the flash method dfu cannot be for a stm32f103" },
		{ USB("sam3x8e"), "flash_method=sdcard",
		  "the flash method sdcard cannot be for a sam3x8e" },
		{ USB("rp2040") ",\"flash_method\":\"picoboot\"", "mcu=rp2040", "" },
		{ "\"usb_port\":\"1-1\",\"flash_method\":\"picoboot\"", "mcu=stm32h723",
		  "the flash method picoboot cannot be for a stm32h723" },
		{ USB("newchip1"), "flash_method=dfu", "" },
		{ "\"usb_port\":\"1-1\"", "flash_method=bossac", "" },
		{ USB("rp2040"), "programmer=wiring",
		  "programmer is for avrdude, which writes AVR alone: this is a rp2040" },
		{ USB("atmega2560"), "programmer_baud=57600", "" },
		{ USB("rp2040"), "baud=250000",
		  "baud is for a board on a UART: it is on its own USB" },
		{ USB("rp2040"), "baud=", "" },
		{ "\"canbus_uuid\":\"44db3d634885\"", "katapult_baud=250000",
		  "katapult_baud is for a board on a UART: it is a node on CAN" },
		{ "\"serial\":\"/tmp/klipper_host_mcu\"", "baud=250000",
		  "baud is for a board on a UART: it is a process of this machine" },
		{ "\"mcu\":\"atmega2560\",\"serial_pattern\":\"usb-1a86_USB_Serial*\"",
		  "katapult_baud=250000",
		  "katapult_baud is a Katapult's, and a atmega2560 has none" },
		{ "\"mcu\":\"atmega2560\",\"serial_pattern\":\"usb-1a86_USB_Serial*\"",
		  "baud=115200", "" },
	};
	struct kf_error err;

	for (size_t i = 0; i < KF_ARRAY_SIZE(cases); i++)
		CHECK_STR(says(cases[i].members, cases[i].assignment, &err), cases[i].says);
	says(USB("atmega2560"), "flash_method=katapult", &err);
	CHECK_STR(err.hint, "those for a atmega2560 are: avrdude, make_flash");
	says(USB("stm32f446"), "flash_method=bossac", &err);
	CHECK_STR(err.hint, "those for a stm32f446 are: katapult, dfu, make_flash, flashtool, "
			    "dfu_util, sdcard");
}

TEST(assignments)
{
	json_t *device = json_pack("{s:s, s:s}", "pattern", "usb-old*", "klipper_dir", "/k");
	struct kf_error err = { 0 };

	CHECK(kf_settings_assign(device, KF_SCOPE_DEVICE, "serial_pattern=usb-new*", NULL) == 0);
	CHECK_STR(kf_settings_pattern(device), "usb-new*");
	CHECK(!json_object_get(device, "serial_pattern"));
	CHECK(kf_settings_assign(device, KF_SCOPE_DEVICE, "klipper_dir=", NULL) == 0);
	CHECK(!json_object_get(device, "klipper_dir"));
	CHECK(kf_settings_assign(device, KF_SCOPE_DEVICE, "flash_method=", NULL) == 0);
	CHECK(json_is_null(json_object_get(device, "flash_method")));
	CHECK(kf_settings_assign(device, KF_SCOPE_DEVICE, "flashable=no", NULL) == 0);
	CHECK(json_is_false(json_object_get(device, "flashable")));
	CHECK(kf_settings_assign(device, KF_SCOPE_DEVICE, "flashable=perhaps", &err) < 0);
	CHECK(kf_settings_assign(device, KF_SCOPE_DEVICE, "name=", &err) < 0);
	CHECK_STR(err.message, "name cannot be empty");
	CHECK(kf_settings_assign(device, KF_SCOPE_DEVICE, "klipper_dir=klipper", &err) < 0);
	CHECK(kf_settings_assign(device, KF_SCOPE_DEVICE, "colour=red", &err) < 0);
	CHECK(err.code == KF_USAGE && strstr(err.hint, "flash_method"));
	CHECK(kf_settings_assign(device, KF_SCOPE_GLOBAL, "mcu=rp2040", &err) < 0);
	CHECK(kf_settings_assign(device, KF_SCOPE_DEVICE, "mcu", &err) < 0);
	json_decref(device);
}

PROGRAM
{
	static const struct test tests[] = {
		T(missing_is_empty),
		T(corrupt_names_line_and_column),
		T(wrong_types_name_device_and_member),
		T(unknown_members_and_order_survive),
		T(invalid_values_are_not_saved),
		T(link_is_written_through),
		T(writers_lose_nothing),
		T(devices_are_read_out),
		T(settings_of_no_use_to_a_board),
		T(assignments),
	};
	int r;

	if (!mkdtemp(home))
		return 1;
	setenv("XDG_CONFIG_HOME", home, 1);
	snprintf(file, sizeof(file), "%s/kalico-flash/devices.json", home);
	r = test_main(tests, KF_ARRAY_SIZE(tests));
	IGNORE_RESULT(kf_dir_remove(home, NULL));
	return r;
}
