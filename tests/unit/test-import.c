/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Other tools' files, as far as they carry over; and what is no such file, or means harm. */
#include <stdlib.h>

#include "core/import.h"
#include "core/settings.h"
#include "unit/test.h"

typedef int reader(const char *text, size_t len, json_t **ret, struct kf_error *err);

/* What becomes of one member: compact JSON, in a buffer that the next call takes over. */
static const char *member(reader *read, const char *text, const char *name)
{
	static char out[16384];
	_cleanup_(kf_json_decrefp) json_t *result = NULL;
	_cleanup_(kf_freep) char *json = NULL;
	struct kf_error err = { 0 };

	if (read(text, strlen(text), &result, &err) < 0)
		return strcpy(out, err.message);
	CHECK(kf_settings_check(result, &err) == 0);
	json = json_dumps(json_object_get(result, name), JSON_COMPACT | JSON_ENCODE_ANY);
	snprintf(out, sizeof(out), "%s", json);
	return out;
}

static const char *ukam(const char *text, const char *name)
{
	return member(kf_import_ukam, text, name);
}

static const char *fleet(const char *text, const char *name)
{
	return member(kf_import_fleet, text, name);
}

#define BY_ID "/dev/serial/by-id/"

TEST(ukam_boards)
{
	static const char text[] =
		"# mine\r\n"
		"[Octopus Pro]\n"
		"klipper_section: mcu\n"
		"quiet_command: enter_bootloader -t usb -d " BY_ID
		"usb-Klipper_stm32h723xx_29001A-if00; sleep 1\n"
		"action_command: ~/klippy-env/bin/python3 ~/katapult/scripts/flashtool.py -d " BY_ID
		"usb-katapult_stm32h723xx_29001A-if00\n"
		"\n"
		"[mcu tool2]\n"
		"config_name = mcu tool1\n"
		"action_command: make flash FLASH_DEVICE=" BY_ID "usb-Kalico_rp2040_E6614C31-if00\n"
		"//[pico]\n"
		"//flash_command: old\n";

	CHECK_STR(ukam(text, "devices"),
		  "{\"octopus-pro\":{\"name\":\"Octopus Pro\",\"mcu\":\"stm32h723\","
		  "\"serial_pattern\":\"usb-Klipper_stm32h723xx_29001A*\",\"flash_method\":null,"
		  "\"flashable\":true},"
		  "\"mcu-tool2\":{\"name\":\"mcu tool2\",\"mcu\":\"rp2040\","
		  "\"serial_pattern\":\"usb-Kalico_rp2040_E6614C31*\",\"flash_method\":\"make_"
		  "flash\","
		  "\"flashable\":true}}");
	CHECK_STR(ukam(text, "configs"), "{\"octopus-pro\":\"config/config.Octopus_Pro\","
					 "\"mcu-tool2\":\"config/config.mcu_tool1\"}");
	CHECK_STR(ukam(text, "left"), "[]");
	CHECK_STR(ukam("# none\n", ""), "there is no [section]: this is no mcus.ini");
}

/* The reason for which a board with these lines stays behind. */
static const char *ukam_reason(const char *lines)
{
	static char out[512];
	_cleanup_(kf_json_decrefp) json_t *result = NULL;
	const json_t *left;
	char text[8192];

	snprintf(text, sizeof(text), "[board]\n%s\n", lines);
	if (kf_import_ukam(text, strlen(text), &result, NULL) < 0)
		return "refused";
	CHECK(json_object_size(json_object_get(result, "devices")) == 0);
	left = json_array_get(json_object_get(result, "left"), 0);
	CHECK_STR(json_string_value(json_object_get(left, "name")), "board");
	snprintf(out, sizeof(out), "%s", json_string_value(json_object_get(left, "reason")));
	return out;
}

TEST(ukam_leaves_what_is_not_on_usb)
{
	CHECK(strstr(ukam_reason("action_command: make flash"), "name no board on USB"));
	CHECK(strstr(ukam_reason("action_command: flashtool.py -i can0 -u 2fc4afec81e3"),
		     "CAN bus"));
	CHECK(strstr(ukam_reason("action_command: flashtool.py -d /dev/ttyAMA0 -b 250000"),
		     "UART"));
	CHECK(strstr(ukam_reason("action_command: make flash FLASH_DEVICE=" BY_ID
				 "usb-Klipper_rp2040_<BOARD_ID>-if00"),
		     "never filled in"));
	CHECK(strstr(ukam_reason("quiet_command: enter_bootloader -u 2fc4afec81e3\n"
				 "action_command: flashtool.py -d " BY_ID
				 "usb-katapult_stm32f446xx_29001A-if00"),
		     "bridge"));
	CHECK(strstr(ukam_reason("is_klipper_fw: False\naction_command: x " BY_ID
				 "usb-Klipper_rp2040_E6614C31-if00"),
		     "not Klipper's"));
	CHECK(strstr(ukam_reason("klipper_section: scanner\naction_command: x " BY_ID
				 "usb-Klipper_rp2040_E6614C31-if00"),
		     "not Klipper's"));
	CHECK(strstr(ukam_reason("action_command: make flash FLASH_DEVICE=" BY_ID
				 "usb-1a86_USB_Serial-if00-port0"),
		     "other boards"));
	CHECK(strstr(ukam_reason("action_command: make flash FLASH_DEVICE=" BY_ID
				 "usb-Klipper_rp2040_12345-if00"),
		     "other boards"));
}

TEST(ukam_refuses_what_it_does_not_know)
{
	CHECK_STR(ukam("[a]\nspeed: 5\n", ""),
		  "line 2: an unknown key: \"speed\": this is no mcus.ini");
	CHECK_STR(ukam("name: x\n", ""), "line 1: before the first section: \"name\": this is no "
					 "mcus.ini");
	CHECK_STR(ukam("[a]\nwhat\n", ""),
		  "line 2: neither a section nor a key: \"what\": this is no mcus.ini");
	CHECK_STR(ukam("[ ]\n", ""), "line 1: a section without \"name\": this is no mcus.ini");
	CHECK(kf_import_ukam("[a]\0", 4, &(json_t *){ NULL }, NULL) < 0);
}

TEST(hostile_text)
{
	char text[KF_IMPORT_MAX * 128 + 4096] = "";
	size_t len = 0;

	/* Paths do not leave the folder; control characters are not kept. */
	CHECK_STR(ukam("[x]\nconfig_name: ../../../etc/passwd\naction_command: make flash " BY_ID
		       "usb-Klipper_rp2040_E6614C31-if00\n",
		       "configs"),
		  "{}");
	CHECK_STR(fleet("[{\"name\":\"x\\u001b[2J\",\"id\":\"" BY_ID
			"usb-Klipper_rp2040_E6614C31-if00\",\"method\":\"serial\","
			"\"profile\":\"/../secret\"}]",
			"configs"),
		  "{}");
	CHECK(strstr(fleet("[{\"name\":\"x\\u001b[2J\",\"id\":\"" BY_ID
			   "usb-Klipper_rp2040_E6614C31-if00\",\"method\":\"serial\"}]",
			   "devices"),
		     "\"name\":\"x?[2J\""));
	CHECK_STR(ukam("[a]\naction_command: " BY_ID "usb-Klipper_rp2040_E6*\033[2J-if00\n",
		       "devices"),
		  "{}");
	/* Too long, too many. */
	len += (size_t)sprintf(text, "action_command: ");
	memset(text + len, 'x', 5000);
	CHECK(strstr(ukam_reason(text), "too long"));
	len = 0;
	for (int i = 0; i <= KF_IMPORT_MAX; i++)
		len += (size_t)sprintf(text + len,
				       "[b%d]\naction_command: " BY_ID
				       "usb-Klipper_rp2040_E6614C%d-if00\n",
				       i, i + 100);
	CHECK(strstr(ukam(text, "left"), "more than 128 boards"));
	CHECK_STR(ukam("[A b]\naction_command: " BY_ID
		       "usb-Klipper_rp2040_E6614C31-if00\n[a-b]\naction_command: " BY_ID
		       "usb-Klipper_rp2040_E6624C31-if00\n",
		       "left"),
		  "[{\"name\":\"a-b\",\"reason\":\"its key would be a-b, which another board here "
		  "has\"}]");
}

TEST(fleet_boards)
{
	static const char text[] =
		"[{\"name\":\"PIS V1\",\"id\":\"" BY_ID "usb-Klipper_rp2040_E66160F4-if00\","
		"\"profile\":\"Fysetc PIS V1\",\"method\":\"serial\",\"is_katapult\":true,"
		"\"baudrate\":250000,\"notes\":\"spare\",\"exclude_from_batch\":true},"
		"{\"name\":\"Main\",\"id\":\"357236543131\",\"method\":\"dfu\",\"profile\":null,"
		"\"serial_id\":\"" BY_ID "usb-Klipper_stm32f446xx_29001A-if00\"},"
		"{\"name\":\"Mega\",\"id\":\"" BY_ID "usb-Arduino_Mega_75735303-if00\","
		"\"method\":\"serial\",\"is_katapult\":false,\"profile\":\"mega\"}]";

	CHECK_STR(fleet(text, "devices"),
		  "{\"pis-v1\":{\"name\":\"PIS V1\",\"mcu\":\"rp2040\","
		  "\"serial_pattern\":\"usb-Klipper_rp2040_E66160F4*\",\"flash_method\":null,"
		  "\"flashable\":true},"
		  "\"main\":{\"name\":\"Main\",\"mcu\":\"stm32f446\","
		  "\"serial_pattern\":\"usb-Klipper_stm32f446xx_29001A*\",\"flash_method\":null,"
		  "\"flashable\":true},"
		  "\"mega\":{\"name\":\"Mega\",\"serial_pattern\":\"usb-Arduino_Mega_75735303*\","
		  "\"flash_method\":\"make_flash\",\"flashable\":true}}");
	CHECK_STR(fleet(text, "configs"), "{\"pis-v1\":\"profiles/Fysetc PIS V1.config\","
					  "\"mega\":\"profiles/mega.config\"}");
	CHECK_STR(fleet(text, "left"), "[{\"name\":\"PIS V1\",\"reason\":\"taken, but without its "
				       "exclude_from_batch, notes: to have it left alone, kf set "
				       "pis-v1 flashable=false\"}]");
}

TEST(fleet_leaves_what_is_not_on_usb)
{
	CHECK_STR(fleet("[{\"name\":\"a\",\"id\":\"2fc4afec81e3\",\"method\":\"can\"},"
			"{\"name\":\"b\",\"id\":\"2fc4afec81e3\",\"method\":\"can\","
			"\"is_bridge\":true},"
			"{\"name\":\"c\",\"id\":\"linux_process\",\"method\":\"linux\"},"
			"{\"name\":\"d\",\"id\":\"/dev/ttyUSB0\",\"method\":\"serial\"},"
			"{\"name\":\"e\",\"id\":7,\"method\":\"beacon\"},"
			"{\"name\":\"f\",\"method\":[]}]",
			"left"),
		  "[{\"name\":\"a\",\"reason\":\"it is on a CAN bus: USB only\"},"
		  "{\"name\":\"b\",\"reason\":\"it is a bridge to a CAN bus, which has no serial "
		  "port while Klipper runs\"},"
		  "{\"name\":\"c\",\"reason\":\"it is a Linux process: USB only\"},"
		  "{\"name\":\"d\",\"reason\":\"/dev/ttyUSB0 is a port that changes, or a "
		  "bootloader's: plug it in, and kf add\"},"
		  "{\"name\":\"e\",\"reason\":\"its firmware is not Klipper's: it is updated by "
		  "its own tool\"},"
		  "{\"name\":\"f\",\"reason\":\"its method \\\"\\\" is not known\"}]");
	CHECK(strstr(fleet("{}", ""), "no array of boards"));
	CHECK(strstr(fleet("[1]", ""), "entry 1 is no board"));
	CHECK(strstr(fleet("[{\"name\":\"a\"", ""), "line 1, column"));
}

TEST_MAIN(T(ukam_boards), T(ukam_leaves_what_is_not_on_usb), T(ukam_refuses_what_it_does_not_know),
	  T(hostile_text), T(fleet_boards), T(fleet_leaves_what_is_not_on_usb))
