/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The choice of methods by what is known of a board, without the board. */
#include <string.h>

#include "core/text.h"
#include "flash/methods.h"
#include "unit/test.h"

/* "katapult, make_flash": the methods for firmware of mcu that starts there; else the message. */
static const char *chosen(const char *mcu, uint32_t start, const struct kf_board *board, bool file,
			  const char *named)
{
	static char list[sizeof(((struct kf_error *)0)->message)];
	const struct kf_methods_for with = { .board = board,
					     .mcu = mcu,
					     .start = start,
					     .file = file,
					     .named = named,
					     .usual = "katapult",
					     .fallback = true };
	struct kf_methods methods;
	struct kf_error err = { 0 };

	list[0] = '\0';
	if (kf_methods_choose(&with, &methods, &err) < 0)
		kf_text_format(list, sizeof(list), "%s", err.message);
	else
		for (size_t i = 0; i < methods.count; i++)
			kf_text_add(list, sizeof(list), ", ", kf_method_name(methods.list[i]));
	return list;
}

static struct kf_board in_rom(const char *vendor, const char *product, enum kf_mode mode)
{
	struct kf_board board = { .mode = mode, .connected = true };

	kf_text_format(board.usb.vendor, sizeof(board.usb.vendor), "%s", vendor);
	kf_text_format(board.usb.product, sizeof(board.usb.product), "%s", product);
	return board;
}

TEST(katapult_needs_room_before_the_firmware)
{
	const struct kf_board board = { .mode = KF_MODE_KLIPPER, .tty = "/dev/ttyACM0" };

	CHECK_STR(chosen("stm32f103xe", 0x08002000, &board, false, NULL), "katapult, make_flash");
	CHECK_STR(chosen("stm32f103xe", 0x08001000, &board, false, NULL), "katapult");
	CHECK_STR(chosen("stm32f103xe", 0x08000800, &board, false, NULL), "make_flash");
	CHECK_STR(chosen("stm32f446xx", 0x08008000, &board, false, NULL), "katapult, dfu");
	CHECK_STR(chosen("stm32f446xx", 0x08000000, &board, false, NULL), "dfu");
	CHECK_STR(chosen("rp2040", 0x10000000, &board, false, NULL), "picoboot");
	CHECK_STR(chosen("rp2040", 0x10004000, &board, false, NULL), "katapult, picoboot");
	CHECK(strstr(chosen("stm32f103xe", 0x08000800, &board, false, "katapult"),
		     "its firmware leaves no room for Katapult"));
}

TEST(a_board_in_another_bootloader_is_in_no_katapult)
{
	const struct kf_board hid = in_rom("1209", "beba", KF_MODE_OTHER),
			      maple = in_rom("1eaf", "0003", KF_MODE_DFU),
			      dfu = in_rom("0483", "df11", KF_MODE_DFU);
	static const char other[] = "it waits in a bootloader other than Katapult";

	CHECK_STR(chosen("stm32f103xe", 0x08002000, &maple, false, NULL), "make_flash");
	CHECK_STR(chosen("stm32f103xe", 0x08000800, &hid, false, NULL), "make_flash");
	CHECK(strstr(chosen("stm32f103xe", 0x08002000, &maple, true, NULL), other));
	CHECK(strstr(chosen("stm32f103xe", 0x08002000, &hid, true, NULL), other));
	CHECK(strstr(chosen("stm32f103xe", 0x08002000, &maple, false, "katapult"), other));
	CHECK_STR(chosen("stm32f446xx", 0x08008000, &dfu, true, NULL), "dfu");
	/* Its ROM has no DFU: whatever waits there is no STM32F103. */
	CHECK(!strstr(chosen("stm32f103xe", 0x08002000, &dfu, true, NULL), "dfu"));
}

TEST_MAIN(T(katapult_needs_room_before_the_firmware),
	  T(a_board_in_another_bootloader_is_in_no_katapult))
