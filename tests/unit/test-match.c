/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registry finds the device of each board. */
#include <stdlib.h>

#include "board/last-flash.h"
#include "core/text.h"
#include "registry/registry.h"
#include "unit/temp.h"
#include "unit/test.h"

/* A registry of that text, in memory. */
static struct kf_registry registry_of(const char *text)
{
	struct kf_registry reg = { .root = json_loads(text, 0, NULL), .lock = -1 };

	CHECK(reg.root);
	return reg;
}

static const char boards[] =
	"{\"devices\":{"
	"\"octopus\":{\"name\":\"Octopus\",\"mcu\":\"stm32h723\","
	"\"serial_pattern\":\"usb-Klipper_stm32h723xx_29001A*\",\"usb_port\":\"1-1.1\"},"
	"\"nitehawk\":{\"name\":\"Nitehawk\",\"mcu\":\"rp2040\",\"flashable\":false,"
	"\"pattern\":\"usb-Klipper_rp2040_E661AC8863389C27*\"},"
	"\"pico\":{\"mcu\":\"rp2040\",\"serial_pattern\":\"usb-Klipper_rp2040_12345*\","
	"\"usb_port\":\"1-1.3\"},"
	"\"dock\":{\"mcu\":\"stm32f072\",\"usb_port\":\"1-4\"},"
	"\"ramps\":{\"mcu\":\"atmega2560\",\"serial_pattern\":\"usb-1a86_USB_Serial*\"}},"
	"\"blocked_devices\":[{\"pattern\":\"usb-beacon_*\",\"reason\":\"Beacon updates "
	"itself\"}]}";

/* Fill in what a registry with this text says of the board. */
static void identify(const char *registry, struct kf_board *board)
{
	struct kf_registry reg = registry_of(registry);

	CHECK(kf_registry_identify(&reg, board, NULL) == 0);
	kf_registry_close(&reg);
}

/* A board in Klipper with these names, as the registry of boards knows it. */
static struct kf_board identified(const char *by_id, const char *serial, const char *port)
{
	struct kf_board board = { .mode = KF_MODE_KLIPPER };

	snprintf(board.by_id, sizeof(board.by_id), "%s", by_id);
	snprintf(board.usb.serial, sizeof(board.usb.serial), "%s", serial);
	snprintf(board.usb.port, sizeof(board.usb.port), "%s", port);
	identify(boards, &board);
	return board;
}

TEST(same_chip_under_any_name)
{
	CHECK_STR(identified("/dev/serial/by-id/usb-katapult_stm32h723xx_29001a-if00", "29001a",
			     "9-9")
			  .key,
		  "octopus");
	CHECK_STR(
		identified("/dev/serial/by-id/usb-Kalico_stm32h723xx_29001A-if00", "29001A", "9-9")
			.name,
		"Octopus");
	CHECK_STR(identified("/dev/serial/by-id/usb-Klipper_stm32h723xx_OTHER1-if00", "OTHER1",
			     "1-1.1")
			  .key,
		  "");
}

/* One board's pattern, as it says its MCU, and the board of this MCU with its serial number. */
static bool fits_mcu(const char *registered, const char *pattern, const char *usb_mcu)
{
	struct kf_board board = { .mode = KF_MODE_KLIPPER,
				  .usb = { .vendor = "1d50",
					   .product = "614e",
					   .manufacturer = "Klipper",
					   .serial = "29001A00115131",
					   .interface = "if00" } };
	struct kf_registry reg = { .lock = -1 };

	reg.root = json_pack("{s:{s:{s:s*, s:s}}}", "devices", "a", "mcu", registered,
			     "serial_pattern", pattern);
	snprintf(board.usb.model, sizeof(board.usb.model), "%s", usb_mcu);
	CHECK(kf_registry_identify(&reg, &board, NULL) == 0);
	kf_registry_close(&reg);
	return board.key[0];
}

TEST(pattern_that_names_an_mcu_fits_no_other_one)
{
	static const char h723[] = "usb-Klipper_stm32h723xx_29001A00115131*";

	CHECK(fits_mcu("stm32h723", h723, "stm32h723xx"));
	CHECK(fits_mcu("stm32h723", "usb-katapult_stm32h723_29001A00115131*", "stm32h723xx"));
	CHECK(!fits_mcu("stm32h723", h723, "rp2040"));
	CHECK(!fits_mcu(NULL, h723, "rp2040"));
	/* A firmware that calls an RP2040 an STM32F446; its Katapult does not. */
	CHECK(fits_mcu("rp2040", "usb-Klipper_stm32f446xx_29001A00115131*", "rp2040"));
	CHECK(fits_mcu("rp2040", "usb-Klipper_stm32f446xx_29001A00115131*", "stm32f446xx"));
	/* No MCU in the pattern, or in the product's name. */
	CHECK(fits_mcu(NULL, "usb-Klipper_*_29001A00115131*", "rp2040"));
	CHECK(fits_mcu("stm32h723", h723, "Octopus Pro"));
}

TEST(kept_out)
{
	struct kf_board b = identified("/dev/serial/by-id/usb-Klipper_rp2040_E661AC8863389C27-if00",
				       "E661AC8863389C27", "1-1");

	CHECK_STR(b.key, "nitehawk");
	CHECK(b.excluded);
	CHECK_STR(b.reason, "flashable is false in devices.json");
	b = identified("/dev/serial/by-id/usb-Beacon_RevH_AB12-if00", "AB12", "1-1");
	CHECK_STR(b.key, "");
	CHECK(b.excluded);
	CHECK_STR(b.reason, "Beacon updates itself");
}

TEST(shared_serials_go_by_port)
{
	struct kf_board b =
		identified("/dev/serial/by-id/usb-Klipper_rp2040_12345-if00", "12345", "1-1.3");

	CHECK_STR(b.key, "pico");
	CHECK(strstr(b.reason, "USB port 1-1.3"));
	b = identified("/dev/serial/by-id/usb-Klipper_rp2040_12345-if00", "12345", "1-1.4");
	CHECK_STR(b.key, "");
	CHECK(strstr(b.reason, "pico") && strstr(b.reason, "1-1.3"));
	b = identified("/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0", "", "2-1");
	CHECK_STR(b.key, "ramps");
	CHECK(strstr(b.reason, "by name only"));
}

TEST(registered_by_port_alone)
{
	CHECK_STR(identified("usb-Klipper_stm32f072xb_77AA88BB99-if00", "77AA88BB99", "1-4").key,
		  "dock");
	CHECK_STR(identified("usb-Klipper_stm32f072xb_77AA88BB99-if00", "77AA88BB99", "1-5").key,
		  "");
	/* A board that has a name of its own keeps it on that port, too. */
	CHECK_STR(identified("usb-Klipper_stm32h723xx_29001A-if00", "29001A", "1-4").key,
		  "octopus");
	CHECK_STR(identified("usb-Klipper_stm32h723xx_29001AFF-if00", "29001AFF", "1-4").key,
		  "octopus");
}

static const char *key_in_rom(const char *vendor, const char *product, const char *port)
{
	static struct kf_board board;
	struct kf_registry reg = registry_of(boards);

	board = (struct kf_board){ .mode = strcmp(vendor, "0483") == 0 ? KF_MODE_DFU
								       : KF_MODE_RP2BOOT };
	snprintf(board.usb.vendor, sizeof(board.usb.vendor), "%s", vendor);
	snprintf(board.usb.product, sizeof(board.usb.product), "%s", product);
	snprintf(board.usb.serial, sizeof(board.usb.serial), "29001A");
	snprintf(board.usb.port, sizeof(board.usb.port), "%s", port);
	CHECK(kf_registry_identify(&reg, &board, NULL) == 0);
	kf_registry_close(&reg);
	return board.key;
}

static const char twins[] =
	"{\"devices\":{"
	"\"left\":{\"serial_pattern\":\"usb-Klipper_stm32f103xe_48FF68065086*\",\"usb_port\":\"1-"
	"1\"},"
	"\"right\":{\"serial_pattern\":\"usb-Klipper_stm32f103xe_48FF68065086*\",\"usb_port\":\"1-"
	"2\"},"
	"\"dual\":{\"serial_pattern\":\"usb-Klipper_stm32h723xx_*\",\"usb_port\":\"1-3\"},"
	"\"octopus\":{\"serial_pattern\":\"usb-Klipper_stm32h723xx_29001A00115131*\"}}}";

static struct kf_board among_twins(const char *by_id, const char *serial, const char *port)
{
	struct kf_board board = { .mode = KF_MODE_KLIPPER };
	struct kf_registry reg = registry_of(twins);
	struct kf_error err = { 0 };

	snprintf(board.by_id, sizeof(board.by_id), "%s", by_id);
	snprintf(board.usb.serial, sizeof(board.usb.serial), "%s", serial);
	snprintf(board.usb.port, sizeof(board.usb.port), "%s", port);
	if (kf_registry_identify(&reg, &board, &err) < 0)
		kf_text_format(board.reason, sizeof(board.reason), "%.150s; %.160s", err.message,
			       err.hint);
	kf_registry_close(&reg);
	return board;
}

TEST(one_serial_on_two_boards_goes_by_port)
{
	static const char by_id[] = "usb-Klipper_stm32f103xe_48FF68065086-if00";
	struct kf_board b = among_twins(by_id, "48FF68065086", "1-1");

	CHECK_STR(b.key, "left");
	CHECK(b.by_port);
	CHECK_STR(b.reason, "known by USB port 1-1: another board has its serial number");
	CHECK_STR(among_twins(by_id, "48FF68065086", "1-2").key, "right");
	b = among_twins(by_id, "48FF68065086", "1-9");
	CHECK_STR(b.key, "");
	CHECK(strstr(b.reason, "fits both left and right") && strstr(b.reason, "usb_port=1-9"));
}

TEST(pattern_without_serial_goes_by_port)
{
	struct kf_board b =
		among_twins("usb-katapult_stm32h723xx_4B002C000A50-if00", "4B002C000A50", "1-3");

	CHECK_STR(b.key, "dual");
	CHECK(b.by_port);
	CHECK_STR(b.reason, "known by USB port 1-3: its pattern names no serial number");
	b = among_twins("usb-Klipper_stm32h723xx_4B002C000A50-if00", "4B002C000A50", "1-4");
	CHECK_STR(b.key, "");
	CHECK(!b.by_port && strstr(b.reason, "dual, but that one belongs on USB port 1-3"));
	/* Another registered board's serial says more than the port. */
	b = among_twins("usb-Klipper_stm32h723xx_29001A00115131-if00", "29001A00115131", "1-3");
	CHECK_STR(b.key, "octopus");
	CHECK(!b.by_port);
}

TEST(rom_bootloaders_go_by_port)
{
	CHECK_STR(key_in_rom("0483", "df11", "1-1.1"), "octopus");
	CHECK_STR(key_in_rom("0483", "df11", "1-1.2"), "");
	CHECK_STR(key_in_rom("2e8a", "0003", "1-1.3"), "pico");
	/* An RP2040 where the Octopus was, and the other way round. */
	CHECK_STR(key_in_rom("2e8a", "0003", "1-1.1"), "");
	CHECK_STR(key_in_rom("0483", "df11", "1-1.3"), "");
}

/* SAM-BA has a tty, and ids that many chips share. */
static struct kf_board in_samba(const char *product, const char *port)
{
	struct kf_board board = { .mode = KF_MODE_OTHER,
				  .tty = "/dev/ttyACM0",
				  .usb = { .vendor = "03eb", .model = "AT91SAM" } };
	snprintf(board.usb.product, sizeof(board.usb.product), "%s", product);
	snprintf(board.usb.port, sizeof(board.usb.port), "%s", port);
	identify("{\"devices\":{\"due\":{\"mcu\":\"sam3x8e\",\"serial_pattern\":"
		 "\"usb-Klipper_sam3x8e_29001A00*\",\"usb_port\":\"1-1.2\"},"
		 "\"pico\":{\"mcu\":\"rp2040\",\"usb_port\":\"1-1.3\"}}}",
		 &board);
	return board;
}

TEST(samba_goes_by_port)
{
	struct kf_board board = in_samba("6124", "1-1.2");

	CHECK_STR(board.key, "due");
	CHECK(board.by_port);
	CHECK_STR(board.reason,
		  "known by USB port 1-1.2: its bootloader does not say which chip it is");
	CHECK_STR(in_samba("6124", "1-1.3").key, "");
	CHECK_STR(in_samba("6125", "1-1.2").key, "");
}

TEST(serial_bootloader_where_a_flash_was_cut)
{
	const struct kf_last_flash cut = { .incomplete = "samd", .port = "1-1.7" };
	struct kf_registry reg =
		registry_of("{\"devices\":{\"zero\":{\"mcu\":\"samd21g18a\",\"serial_pattern\":"
			    "\"usb-Klipper_samd21g18a_29001B00*\"}}}");
	struct kf_board board = { .mode = KF_MODE_OTHER,
				  .tty = "/dev/ttyACM0",
				  .usb = { "2341", "004d", "Arduino LLC", "Arduino", "", "1-1.7",
					   "" } };

	CHECK(kf_registry_identify(&reg, &board, NULL) == 0);
	CHECK_STR(board.key, "");
	setenv("XDG_STATE_HOME", temp_path("state"), 1);
	CHECK(kf_last_flash_save("zero", &cut, NULL) == 0);
	CHECK(kf_registry_identify(&reg, &board, NULL) == 0 && board.by_port);
	CHECK_STR(board.key, "zero");
	board.key[0] = '\0';
	snprintf(board.usb.port, sizeof(board.usb.port), "1-1.6");
	CHECK(kf_registry_identify(&reg, &board, NULL) == 0);
	CHECK_STR(board.key, "");
	kf_registry_close(&reg);
}

TEST(two_that_fit_are_refused)
{
	struct kf_board board = { .mode = KF_MODE_KLIPPER, .usb.serial = "AB12CD34" };
	struct kf_registry reg =
		registry_of("{\"devices\":{\"one\":{\"pattern\":\"usb-Klipper_rp2040_*\"},"
			    "\"two\":{\"pattern\":\"usb-katapult_rp2040_AB*\"}}}");
	struct kf_error err = { 0 };

	snprintf(board.by_id, sizeof(board.by_id), "usb-Klipper_rp2040_AB12CD34-if00");
	CHECK(kf_registry_identify(&reg, &board, &err) < 0);
	CHECK(err.code == KF_AMBIGUOUS);
	CHECK(strstr(err.message, "one") && strstr(err.message, "two"));
	CHECK_STR(board.key, "");
	kf_registry_close(&reg);
}

TEST_MAIN(T(same_chip_under_any_name), T(pattern_that_names_an_mcu_fits_no_other_one), T(kept_out),
	  T(shared_serials_go_by_port), T(one_serial_on_two_boards_goes_by_port),
	  T(pattern_without_serial_goes_by_port), T(registered_by_port_alone),
	  T(rom_bootloaders_go_by_port), T(samba_goes_by_port),
	  T(serial_bootloader_where_a_flash_was_cut), T(two_that_fit_are_refused))
