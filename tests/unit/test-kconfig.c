/* SPDX-License-Identifier: GPL-3.0-or-later */
/* .config files, as Klipper's Kconfig writes them and as hands and accidents do. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/file.h"
#include "firmware/kconfig.h"
#include "unit/test.h"

static char file[] = "/tmp/kf-kconfig-XXXXXX";

static int load(const char *text, size_t len, struct kf_kconfig *ret, struct kf_error *err)
{
	CHECK(kf_file_write(file, text, len, NULL) == 0);
	return kf_kconfig_load(file, ret, err);
}

/* mcu, start and comm of a text, in one line. */
static const char *read_out(const char *text)
{
	static char line[160];
	struct kf_kconfig config;

	if (load(text, strlen(text), &config, NULL) < 0)
		return "refused";
	snprintf(line, sizeof(line), "%s %#x %s", config.mcu, config.start,
		 kf_comm_name(config.comm));
	kf_kconfig_free(&config);
	return line;
}

TEST(symbols_of_a_config_are_read)
{
	CHECK_STR(read_out("# CONFIG_LOW_LEVEL_OPTIONS is not set\n"
			   "CONFIG_BOARD_DIRECTORY=\"stm32\"\nCONFIG_MCU=\"stm32h723xx\"\n"
			   "CONFIG_FLASH_APPLICATION_ADDRESS=0x8020000\nCONFIG_USBSERIAL=y\n"
			   "CONFIG_USB=y\n# CONFIG_SERIAL is not set\n"),
		  "stm32h723xx 0x8020000 usb");
	CHECK_STR(read_out("CONFIG_MCU=\"rp2040\"\nCONFIG_FLASH_APPLICATION_ADDRESS=0x10000100\n"
			   "CONFIG_USBCANBUS=y\nCONFIG_USB=y\n"),
		  "rp2040 0x10000100 usbcan");
	CHECK_STR(read_out("CONFIG_MCU=\"atmega2560\"\nCONFIG_SERIAL=y\n"), "atmega2560 0 serial");
	CHECK_STR(read_out("CONFIG_MCU=\"stm32g0b1xx\"\nCONFIG_CANSERIAL=y\n"),
		  "stm32g0b1xx 0 can");
	CHECK_STR(read_out("CONFIG_BOARD_DIRECTORY=\"linux\"\n"), "linux 0 unknown");
	CHECK_STR(read_out("CONFIG_MCU=\"\"\nCONFIG_BOARD_DIRECTORY=\"linux\"\n"),
		  "linux 0 unknown");
	CHECK_STR(read_out(""), " 0 unknown");
}

TEST(hands_and_accidents)
{
	CHECK_STR(read_out("CONFIG_MCU=\"rp2040\" \r\nCONFIG_USBSERIAL=y\r\n"), "rp2040 0 usb");
	CHECK_STR(read_out("CONFIG_MCU=rp2040\nCONFIG_MCU=\"stm32f446xx\""),
		  "stm32f446xx 0 unknown");
	CHECK_STR(read_out("CONFIG_MCU_X=\"a\"\n"), " 0 unknown");
	CHECK_STR(read_out("CONFIG_FLASH_APPLICATION_ADDRESS=soon\n"), "refused");
	CHECK_STR(read_out("CONFIG_FLASH_APPLICATION_ADDRESS=-1\n"), "refused");
	CHECK_STR(read_out("CONFIG_FLASH_APPLICATION_ADDRESS=0x100000000\n"), "refused");
}

TEST(values)
{
	static const char text[] = "CONFIG_USB_A=\"say \\\"hi\\\" \\\\ there\"\nCONFIG_B=250000\n"
				   "CONFIG_E=\n# CONFIG_C is not set\n";
	struct kf_kconfig config;
	char value[32];

	CHECK(load(text, sizeof(text) - 1, &config, NULL) == 0);
	CHECK(kf_kconfig_get(&config, "USB_A", value, sizeof(value)));
	CHECK_STR(value, "say \"hi\" \\ there");
	CHECK(kf_kconfig_get(&config, "B", value, sizeof(value)));
	CHECK_STR(value, "250000");
	CHECK(kf_kconfig_get(&config, "E", value, sizeof(value)));
	CHECK_STR(value, "");
	CHECK(!kf_kconfig_get(&config, "C", value, sizeof(value)));
	CHECK(!kf_kconfig_get(&config, "D", value, sizeof(value)));
	kf_kconfig_free(&config);
}

TEST(other_text_is_refused)
{
	struct kf_error err = { 0 };
	struct kf_kconfig config;

	CHECK(load("CONFIG_A=y\0\n", 12, &config, &err) < 0);
	CHECK(err.code == KF_CONFIG && strstr(err.message, "NUL"));
	unlink(file);
	CHECK(kf_kconfig_load(file, &config, &err) == -ENOENT);
	CHECK(kf_kconfig_load("/tmp", &config, &err) < 0);
}

/* make includes the file: what is no assignment of Kconfig's could run. */
TEST(text_that_make_would_run_is_refused)
{
	static const char *const lines[] = {
		"XCONFIG_MCU=\"b\"",
		" CONFIG_MCU=\"c\"",
		"CONFIG_MCU=\"\x1b[2J\"",
		"CONFIG_A=$(shell id)",
		"CONFIG_USB_A=\"$(shell id)\"",
		"CONFIG_MCU=\"a;id\"",
		"CONFIG_MCU=\"a\\\"id\"",
		"CONFIG_A=`id`",
		"CONFIG_A=\"b",
		"CONFIG_A=\"b\" \"c\"",
		"CONFIG_USB_A=\"b\\\"",
		"CONFIG_A",
		"CONFIG_A:=b",
		"include other",
		"all:; id",
		"# a comment goes on \\",
		"\tid",
		"CONFIG_=y",
	};
	static const char second[] = "CONFIG_USB=y\n";
	struct kf_error err = { 0 };
	struct kf_kconfig config;
	char text[128];

	for (size_t i = 0; i < KF_ARRAY_SIZE(lines); i++) {
		snprintf(text, sizeof(text), "%s%s\n%s", second, lines[i], second);
		if (load(text, strlen(text), &config, &err) == 0) {
			printf("# accepted: %s\n", lines[i]);
			test_failed = true;
			kf_kconfig_free(&config);
			continue;
		}
		CHECK(err.code == KF_CONFIG && strstr(err.message, "such a line as line 2"));
	}
}

PROGRAM
{
	static const struct test tests[] = {
		T(symbols_of_a_config_are_read),
		T(hands_and_accidents),
		T(values),
		T(other_text_is_refused),
		T(text_that_make_would_run_is_refused),
	};
	int fd = mkstemp(file), r;

	if (fd < 0)
		return 1;
	close(fd);
	r = test_main(tests, KF_ARRAY_SIZE(tests));
	unlink(file);
	return r;
}
