/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pins of a printer.cfg, and prose as the heads of Klipper's config/generic-*.cfg have it. */
#include "firmware/printer-pins.h"
#include "unit/test.h"

static struct kf_pins read(const char *text, const char *mcu)
{
	struct kf_pins pins;

	kf_pins_read(text, strlen(text), mcu, &pins);
	return pins;
}

static const char config[] = "# [stepper_y]\n"
			     "[stepper_x]\nstep_pin: PF13 # Driver0\ndir_pin: !PF12\n"
			     "[stepper_b]\nstep_pin = !mcu:pg0\r\n"
			     "[stepper_z]\n#step_pin: PF11\nstep_pin:PF11\n"
			     "[extruder]\nstep_pin: toolhead:gpio18\nheater_pin : PA2\n"
			     "[heater_bed]\nheater_pin: PA1";

TEST(pins_are_read_as_klippy_reads_them)
{
	struct kf_pins main = read(config, ""), toolhead = read(config, "toolhead");

	CHECK_STR(main.pin[0], "PF13");
	CHECK_STR(main.pin[1], "PG0");
	CHECK_STR(main.pin[2], "PF11");
	CHECK_STR(main.pin[3], "");
	CHECK_STR(main.pin[4], "PA2");
	CHECK_STR(main.pin[5], "PA1");
	CHECK_STR(toolhead.pin[0], "");
	CHECK_STR(toolhead.pin[3], "GPIO18");
}

TEST(four_equal_pins_and_no_other_make_a_board)
{
	struct kf_pins a = read(config, ""), b = a;

	CHECK(kf_pins_match(&a, &b));
	strcpy(b.pin[3], "PG4"); /* only one of them has it */
	CHECK(kf_pins_match(&a, &b));
	strcpy(b.pin[5], "PA3");
	CHECK(!kf_pins_match(&a, &b));
	strcpy(b.pin[5], "");
	strcpy(b.pin[4], "");
	CHECK(!kf_pins_match(&a, &b)); /* three are too few */
}

static const char octopus[] =
	"# This file contains common pin mappings for the BigTreeTech Octopus\n\n"
	"# Important! Not for another board\n\n"
	"# It may be an STM32F446, or STM32F429.  Select the\n"
	"# appropriate one. For STM32F446 boards the firmware should be compiled with a \"32KiB\n"
	"# bootloader\" and a \"12MHz\n# crystal\" clock reference. For STM32F429 boards use a\n"
	"# \"64KiB bootloader\" and an \"8MHz crystal\".\n"
	"[mcu]\n# STM32F446, 20KiB bootloader\n";

TEST(a_header_is_read_for_the_boards_mcu)
{
	struct kf_board_header h;

	CHECK(kf_board_header_read(octopus, strlen(octopus), "stm32f446xx", &h));
	CHECK(h.offset_told && h.offset == 0x8000 && h.crystal_told && h.crystal_mhz == 12);
	CHECK(kf_board_header_read(octopus, strlen(octopus), "stm32f429xx", &h));
	CHECK(h.offset == 0x10000 && h.crystal_mhz == 8);
	CHECK(!kf_board_header_read(octopus, strlen(octopus), "stm32h723xx", &h));
}

static bool header(const char *text, const char *mcu, struct kf_board_header *ret)
{
	return kf_board_header_read(text, strlen(text), mcu, ret);
}

TEST(what_a_header_says_twice_it_does_not_say)
{
	struct kf_board_header h;

	CHECK(!header("# STM32F407 with a 32KiB bootloader or a 48KiB one\n", "stm32f407xx", &h));
	CHECK(header("# STM32F407 with a 32KiB bootloader. A 32KiB one.\n", "stm32f407xx", &h) &&
	      h.offset == 0x8000 && !h.crystal_told);
	CHECK(header("# STM32F103 with \"No bootloader\"\n", "stm32f103xe", &h) && h.offset == 0 &&
	      h.offset_told);
	CHECK(header("# STM32F407, \"128KiB + 512 byte offset\" bootloader\n", "stm32f407xx", &h) &&
	      h.offset == 0x20200);
	/* An empty line ends the sentence about the other MCU. */
	CHECK(header("# For the STM32F407\n\n# 32KiB bootloader\n", "stm32f407xx", &h));
	CHECK(!header("# A STM32F446 has a\n\n# STM32F407 with a 32KiB bootloader\n", "stm32f446xx",
		      &h));
	CHECK(!header("# for the LPC1768.\n", "lpc1768", &h));
	CHECK(!header("", "lpc1768", &h));
	CHECK(!header("#", "", &h));
}

TEST_MAIN(T(pins_are_read_as_klippy_reads_them), T(four_equal_pins_and_no_other_make_a_board),
	  T(a_header_is_read_for_the_boards_mcu), T(what_a_header_says_twice_it_does_not_say))
