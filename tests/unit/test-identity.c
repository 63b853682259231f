/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names as real boards show them, and as hostile ones could. */
#include "board/identity.h"
#include "unit/test.h"

static void parses(const char *name, bool ours, enum kf_mode mode, const char *mcu,
		   const char *serial)
{
	struct kf_identity id;

	printf("# %.80s\n", name);
	CHECK(kf_identity_parse(name, &id) == ours);
	CHECK(id.mode == mode);
	CHECK_STR(id.mcu, mcu);
	CHECK_STR(id.serial, serial);
}

TEST(parse_ours)
{
	parses("/dev/serial/by-id/usb-Klipper_stm32h723xx_29001A001151313531383332-if00", true,
	       KF_MODE_KLIPPER, "stm32h723xx", "29001A001151313531383332");
	parses("usb-katapult_rp2040_30333938340A53E6-if00", true, KF_MODE_KATAPULT, "rp2040",
	       "30333938340A53E6");
	parses("usb-CanBoot_stm32f446xx_37001A001251313530323733-if00", true, KF_MODE_KATAPULT,
	       "stm32f446xx", "37001A001251313530323733");
	parses("usb-Kalico_stm32f407xx_1D0039000F47393438343535-if02", true, KF_MODE_KLIPPER,
	       "stm32f407xx", "1D0039000F47393438343535");
	parses("usb-Klipper_sam3x8e_003230533850", true, KF_MODE_KLIPPER, "sam3x8e",
	       "003230533850");
	parses("usb-Klipper_same54p20a_ABCD-if00", true, KF_MODE_KLIPPER, "same54p20a", "ABCD");
	parses("usb-Klipper_lpc1768_12345-if00", true, KF_MODE_KLIPPER, "lpc1768", "12345");
	parses("usb-Klipper_HC32F460_1-if00", true, KF_MODE_KLIPPER, "HC32F460", "1");
}

TEST(parse_patterns)
{
	parses("usb-Klipper_stm32h723xx_29001A001151313531383332*", true, KF_MODE_KLIPPER,
	       "stm32h723xx", "29001A001151313531383332");
	parses("usb-Klipper_stm32h723xx_29001A-if00*", true, KF_MODE_KLIPPER, "stm32h723xx",
	       "29001A");
	parses("usb-Klipper_stm32h723xx_*", true, KF_MODE_KLIPPER, "stm32h723xx", "");
	parses("usb-Klipper_stm32h723xx_29?01*", true, KF_MODE_KLIPPER, "stm32h723xx", "");
	parses("usb-Klipper_*", true, KF_MODE_KLIPPER, "", "");
	parses("*", false, KF_MODE_OTHER, "", "");
	parses("", false, KF_MODE_OTHER, "", "");
}

TEST(parse_vendor_strings)
{
	/* The product has words of its own, or the serial has. */
	parses("usb-Klipper_Nitehawk36_30333938340A53E6-if00", true, KF_MODE_KLIPPER, "",
	       "30333938340A53E6");
	parses("usb-Klipper_My_Board_v2_30333938340A53E6-if00", true, KF_MODE_KLIPPER, "",
	       "30333938340A53E6");
	parses("usb-Klipper_rp2040_left_toolhead-if00", true, KF_MODE_KLIPPER, "rp2040",
	       "left_toolhead");
	parses("usb-Acme_My\\x20Board_30333938340A53E6-if00", false, KF_MODE_OTHER, "",
	       "30333938340A53E6");
}

TEST(parse_others)
{
	parses("usb-1a86_USB_Serial-if00-port0", false, KF_MODE_OTHER, "", "");
	parses("usb-1a86_USB2.0-Serial-if00-port0", false, KF_MODE_OTHER, "", "");
	parses("usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0", false, KF_MODE_OTHER, "",
	       "A50285BI");
	parses("usb-Silicon_Labs_CP2102_USB_to_UART_Bridge_Controller_0001-if00-port0", false,
	       KF_MODE_OTHER, "", "");
	parses("usb-Klipperish_stm32f103xe_0123", false, KF_MODE_OTHER, "", "");
	parses("usb-", false, KF_MODE_OTHER, "", "");
	parses("-if00-port0*", false, KF_MODE_OTHER, "", "");
}

TEST(parse_hostile)
{
	char longer[4 * KF_DEV_SIZE];

	parses("usb-Klipper_rp2040_\\x1b]0;A\\xff\\x0a-if00", true, KF_MODE_KLIPPER, "rp2040",
	       "?]0;A??");
	memset(longer, 'A', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	parses(longer, false, KF_MODE_OTHER, "", "");
	memcpy(longer, "usb-Klipper_rp2040_", 19);
	longer[KF_DEV_SIZE - 1] = '\0';
	struct kf_identity id;
	CHECK(kf_identity_parse(longer, &id));
	CHECK(strlen(id.serial) == KF_NAME_SIZE - 1);
}

TEST(mode_and_mcu)
{
	static const struct {
		struct kf_usb usb;
		enum kf_mode mode;
		const char *mcu;
		bool bootloader;
	} t[] = {
		{ { "1d50", "614e", "Klipper", "stm32h723xx", "", "", "" },
		  KF_MODE_KLIPPER,
		  "stm32h723xx",
		  false },
		{ { "1d50", "614e", "Acme", "My Board 3", "", "", "" },
		  KF_MODE_KLIPPER,
		  "",
		  false },
		{ { "1d50", "6177", "Acme", "rp2040", "", "", "" },
		  KF_MODE_KATAPULT,
		  "rp2040",
		  false },
		{ { "1D50", "6177", "", "", "", "", "" }, KF_MODE_KATAPULT, "", false },
		{ { "dead", "beef", "kalico", "sam4e8e", "", "", "" },
		  KF_MODE_KLIPPER,
		  "sam4e8e",
		  false },
		{ { "dead", "beef", "CanBoot", "stm32f446xx", "", "", "" },
		  KF_MODE_KATAPULT,
		  "stm32f446xx",
		  false },
		{ { "dead", "beef", "Klipper Fan Club", "rp2040", "", "", "" },
		  KF_MODE_OTHER,
		  "",
		  false },
		{ { "0483", "df11", "STMicroelectronics", "STM32  BOOTLOADER", "", "", "" },
		  KF_MODE_DFU,
		  "",
		  true },
		{ { "2e8a", "0003", "Raspberry Pi", "RP2 Boot", "", "", "" },
		  KF_MODE_RP2BOOT,
		  "rp2040",
		  true },
		{ { "2e8a", "000f", "Raspberry Pi", "RP2350 Boot", "", "", "" },
		  KF_MODE_RP2BOOT,
		  "rp2350",
		  true },
		{ { "1eaf", "0003", "LeafLabs", "Maple 003", "", "", "" }, KF_MODE_DFU, "", true },
		{ { "1209", "beba", "", "", "", "", "" }, KF_MODE_OTHER, "", true },
		{ { "1d50", "6015", "Uberclock", "DFU", "", "", "" }, KF_MODE_DFU, "", true },
		{ { "1a86", "7523", "", "USB Serial", "", "", "" }, KF_MODE_OTHER, "", false },
		{ { "", "", "", "", "", "", "" }, KF_MODE_OTHER, "", false },
	};
	char mcu[64];

	for (size_t i = 0; i < KF_ARRAY_SIZE(t); i++) {
		printf("# %s:%s %s\n", t[i].usb.vendor, t[i].usb.product, t[i].usb.manufacturer);
		CHECK(kf_identity_mode(&t[i].usb) == t[i].mode);
		CHECK(kf_identity_bootloader(&t[i].usb) == t[i].bootloader);
		kf_identity_mcu(&t[i].usb, mcu);
		CHECK_STR(mcu, t[i].mcu);
	}
}

static void named(struct kf_usb usb, const char *want)
{
	char name[KF_DEV_SIZE];

	kf_identity_by_id(&usb, name);
	CHECK_STR(name, want);
}

TEST(by_id)
{
	named((struct kf_usb){ "1d50", "614e", "Klipper", "stm32h723xx", "29001A", "1-1", "if00" },
	      "usb-Klipper_stm32h723xx_29001A-if00");
	named((struct kf_usb){ "1d50", "614e", "Klipper", "rp2040", "E6", "1-1", "if02" },
	      "usb-Klipper_rp2040_E6-if02");
	named((struct kf_usb){ "1a86", "7523", "", "USB Serial", "", "1-1", "if00-port0" },
	      "usb-1a86_USB_Serial-if00-port0");
	named((struct kf_usb){ "0483", "df11", "STMicroelectronics", "STM32  BOOTLOADER", "3572",
			       "1-1", "" },
	      "usb-STMicroelectronics_STM32_BOOTLOADER_3572-if00");
	named((struct kf_usb){ "abcd", "1234", " A/B ", "", "x,y", "1-1", "if00" },
	      "usb-A_B_1234-if00");
}

TEST(serials)
{
	static const char *const shared[] = {
		"",	"0",	    "12345",	"123456",	"1234567890", "0123456789ABCDEF",
		"0001", "00000000", "00000001", "FFFFFFFFFFFF",
	};
	static const char *const own[] = { "29001A001151313531383332", "30333938340A53E6",
					   "A50285BI", "left_toolhead", "000000000000A1B2" };

	for (size_t i = 0; i < KF_ARRAY_SIZE(shared); i++) {
		printf("# %s\n", shared[i]);
		CHECK(!kf_serial_unique(shared[i]));
	}
	for (size_t i = 0; i < KF_ARRAY_SIZE(own); i++) {
		printf("# %s\n", own[i]);
		CHECK(kf_serial_unique(own[i]));
	}
}

TEST(mcus)
{
	static const char *const same[][2] = {
		{ "stm32h723", "stm32h723xx" }, { "stm32h723xx", "stm32h723" },
		{ "STM32F103", "stm32f103xe" }, { "stm32g0b1", "stm32g0b1xx" },
		{ "rp2040", "RP2040" },		{ "same54p20", "same54p20a" },
		{ "samd21", "samd21g18a" },	{ "sam3x8e", "sam3x8e" },
		{ "at32f403a", "AT32F403Axx" }, { "lpc1768", "lpc1768" },
	};
	static const char *const differ[][2] = {
		{ "sam3x8e", "sam3x8c" },
		{ "sam3", "sam3x8e" },
		{ "sam3x8", "sam3x8e" },
		{ "stm32f4", "stm32f446xx" },
		{ "stm32", "stm32f446xx" },
		{ "stm32g0", "stm32g0b1" },
		{ "stm32f103xe", "stm32f103xx" },
		{ "rp2040", "rp2350" },
		{ "rp2", "rp2040" },
		{ "atmega128", "atmega1284p" },
		{ "lpc1768", "lpc1769" },
		{ "lpc176", "lpc1768" },
		{ "at32f403", "at32f403axx" },
		{ "samd51", "same51j19a" },
		{ "", "" },
		{ "", "rp2040" },
	};

	for (size_t i = 0; i < KF_ARRAY_SIZE(same); i++) {
		printf("# %s %s\n", same[i][0], same[i][1]);
		CHECK(kf_mcu_same(same[i][0], same[i][1]));
	}
	for (size_t i = 0; i < KF_ARRAY_SIZE(differ); i++) {
		printf("# %s %s\n", differ[i][0], differ[i][1]);
		CHECK(!kf_mcu_same(differ[i][0], differ[i][1]));
		CHECK(!kf_mcu_same(differ[i][1], differ[i][0]));
	}
}

TEST(pattern_match)
{
	static const char board[] = "usb-Klipper_stm32h723xx_29001A001151313531383332*";

	CHECK(kf_pattern_match(board, "usb-Klipper_stm32h723xx_29001A001151313531383332-if00"));
	CHECK(kf_pattern_match(board, "usb-katapult_stm32h723xx_29001a001151313531383332-if00"));
	CHECK(kf_pattern_match(board, "/dev/serial/by-id/"
				      "usb-Kalico_stm32h723xx_29001A001151313531383332-if00"));
	CHECK(kf_pattern_match("usb-CanBoot_rp2040_30*", "usb-klipper_rp2040_3033-if00"));
	CHECK(!kf_pattern_match(board, "usb-Klipper_stm32h723xx_29001A001151313531383333-if00"));
	CHECK(!kf_pattern_match("usb-beacon_*", "usb-Klipper_rp2040_30-if00"));
	CHECK(kf_pattern_match("usb-beacon_*", "usb-Beacon_Beacon_RevH_FD24-if00"));
	CHECK(kf_pattern_match("usb-My_Board_1*", "usb-My\\x20Board_1-if00"));
	CHECK(kf_pattern_match("usb-My\\x20Board_1*", "usb-My\\x20Board_1-if00"));
	CHECK(kf_pattern_match("usb-a\\x41_1*", "usb-a\\x41_1-if00")); /* '\' is no escape */
	CHECK(!kf_pattern_match("", ""));
	CHECK(!kf_pattern_match("*", ""));
}

TEST(pattern_from_by_id)
{
	char pattern[KF_DEV_SIZE];

	CHECK(kf_pattern_from_by_id("/dev/serial/by-id/usb-Klipper_rp2040_3033-if00", pattern));
	CHECK_STR(pattern, "usb-Klipper_rp2040_3033*");
	CHECK(kf_pattern_from_by_id("usb-1a86_USB_Serial-if00-port0", pattern));
	CHECK_STR(pattern, "usb-1a86_USB_Serial-if00-port0*");
	CHECK(!kf_pattern_from_by_id("", pattern));
	CHECK(!kf_pattern_from_by_id("/dev/serial/by-id/", pattern));
	CHECK(!kf_pattern_from_by_id("usb-a*b-if00", pattern));
}

TEST(decode)
{
	char text[64], small[4];

	kf_udev_decode("My\\x20Board\\x0a\\x1b[2J\\x4", text, sizeof(text));
	CHECK_STR(text, "My Board??[2J\\x4");
	kf_udev_decode("a\\x00b", text, sizeof(text));
	CHECK_STR(text, "a");
	kf_udev_decode("abcdef", small, sizeof(small));
	CHECK_STR(small, "abc");
}

TEST_MAIN(T(parse_ours), T(parse_patterns), T(parse_vendor_strings), T(parse_others),
	  T(parse_hostile), T(mode_and_mcu), T(by_id), T(serials), T(mcus), T(pattern_match),
	  T(pattern_from_by_id), T(decode))
