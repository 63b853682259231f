/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The Kconfig and the constants that a firmware carries, and what a lying one carries. */
#include <errno.h>

#include "firmware/facts.h"
#include "unit/test.h"

static int parse(const char *json, struct kf_facts *ret, struct kf_error *err)
{
	return kf_facts_parse(json, strlen(json), ret, err);
}

TEST(kconfig_and_constants_are_kept)
{
	_cleanup_(kf_facts_free) struct kf_facts f = { 0 };
	char text[64];

	CHECK(parse("{\"version\":\"v1\",\"kconfig\":\"CONFIG_MACH_STM32=y\\nCONFIG_X="
		    "\\\"a\\\"\\n\","
		    "\"config\":{\"MCU\":\"stm32f446xx\",\"CLOCK_FREQ\":180000000},"
		    "\"commands\":{\"queue_step oid=%c interval=%u\":4,\"spi_send oid=%c\":5}}",
		    &f, NULL) == 0);
	CHECK_STR(f.kconfig, "CONFIG_MACH_STM32=y\nCONFIG_X=\"a\"\n");
	CHECK(kf_facts_text(&f, "MCU", text, sizeof(text)));
	CHECK_STR(text, "stm32f446xx");
	CHECK(kf_facts_text(&f, "CLOCK_FREQ", text, sizeof(text)));
	CHECK_STR(text, "180000000");
	CHECK(!kf_facts_text(&f, "SERIAL_BAUD", text, sizeof(text)));
	CHECK(json_object_get(f.commands, "queue_step") && json_object_size(f.commands) == 2);
}

TEST(older_firmware_carries_no_kconfig)
{
	_cleanup_(kf_facts_free) struct kf_facts f = { 0 }, none = { 0 };
	char text[8];

	CHECK(parse("{\"version\":\"v1\"}", &f, NULL) == 0);
	CHECK(f.kconfig == NULL && json_object_size(f.constants) == 0 && f.commands == NULL);
	CHECK(kf_facts_from(NULL, NULL, NULL, &none, NULL) == 0);
	CHECK(!kf_facts_text(&none, "MCU", text, sizeof(text)));
}

/* savedefconfig writes nothing for an ATmega2560 as the tree has it. */
TEST(an_empty_kconfig_is_the_trees_default)
{
	_cleanup_(kf_facts_free) struct kf_facts avr = { 0 }, stm32 = { 0 };

	CHECK(parse("{\"version\":\"v1\",\"kconfig\":\"\",\"config\":{\"MCU\":\"atmega2560\","
		    "\"CLOCK_FREQ\":16000000,\"RESERVE_PINS_serial\":\"PE0,PE1\",\"SERIAL_BAUD\":"
		    "250000}}",
		    &avr, NULL) == 0);
	CHECK(avr.kconfig && avr.kconfig[0] == '\0');
	CHECK(parse("{\"version\":\"v1\",\"kconfig\":\"\",\"config\":{\"MCU\":\"stm32f446xx\"}}",
		    &stm32, NULL) == 0);
	CHECK(stm32.kconfig == NULL);
}

/* The Kconfig is refused, and the constants stay. */
static void refused(const char *kconfig, const char *want)
{
	_cleanup_(kf_facts_free) struct kf_facts f = { 0 };
	char json[256];

	snprintf(json, sizeof(json),
		 "{\"version\":\"v1\",\"config\":{\"MCU\":\"a\"},\"kconfig\":%s}", kconfig);
	CHECK(parse(json, &f, NULL) == 0);
	CHECK(f.kconfig == NULL && json_object_size(f.constants) == 1);
	CHECK(strstr(f.refused, want) != NULL);
}

TEST(a_kconfig_that_make_would_run_is_refused)
{
	struct kf_facts f = { 0 };
	struct kf_error err;

	refused("\"CONFIG_MACH_STM32=y\\n$(shell reboot)\\n\"",
		"Kconfig never writes such a line as line 2");
	refused("\"CONFIG_MCU=\\\"`reboot`\\\"\"", "such a line as line 1");
	refused("7", "it is no text");
	CHECK(parse("{\"kconfig\":\"\"}", &f, &err) < 0 && err.code == KF_PROTOCOL);
	CHECK(f.constants == NULL);
}

TEST(hostile_constants_are_left_out)
{
	_cleanup_(kf_facts_free) struct kf_facts f = { 0 };

	CHECK(parse("{\"version\":\"v1\",\"config\":{\"A\":\"a\\u001b[2J\",\"B\":[1],\"C\":1.5,"
		    "\"D E\":1,\"\":2,\"F\":{\"x\":1},\"G\":\"good\",\"H\":-3},\"commands\":[1]}",
		    &f, NULL) == 0);
	CHECK(json_object_size(f.constants) == 2 && json_object_get(f.constants, "G") &&
	      json_object_get(f.constants, "H"));
	CHECK(f.commands == NULL);
}

TEST_MAIN(T(kconfig_and_constants_are_kept), T(older_firmware_carries_no_kconfig),
	  T(an_empty_kconfig_is_the_trees_default), T(a_kconfig_that_make_would_run_is_refused),
	  T(hostile_constants_are_left_out))
