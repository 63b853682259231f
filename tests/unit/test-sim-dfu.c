/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The simulated ROM of an STM32: its states, its times, what it refuses, what it starts. */

#include "core/bytes.h"
#include "sim/identity.h"
#include "unit/sim-board.h"
#include "unit/test.h"

#define BASE	   0x08000000u
#define REENUM_US  50000
#define LEAVING_US 20000

enum { DNLOAD = 1, UPLOAD, GETSTATUS, CLRSTATUS, GETSTATE, ABORT };

/* A control transfer; the number of bytes, -1 for a stall, -2 for no answer. */
static int control(struct sim_board *b, uint8_t request, uint16_t value, void *data, uint16_t len)
{
	bool in = request == UPLOAD || request == GETSTATUS || request == GETSTATE;
	struct sim_usb_transfer t = {
		.endpoint = in ? 0x80 : 0,
		.setup = { in ? 0xa1 : 0x21, request, value, 0, len },
		.data = data,
		.len = len,
	};

	switch (sim_board_transfer(b, &t, now_us)) {
	case SIM_USB_DONE:
		return (int)t.actual;
	case SIM_USB_STALL:
		return -1;
	case SIM_USB_NAK:
		break;
	}
	return -2;
}

/* GETSTATUS as "state status milliseconds". */
static const char *status(struct sim_board *b)
{
	static char text[64];
	uint8_t s[6];
	int r = control(b, GETSTATUS, 0, s, sizeof(s));

	if (r != sizeof(s))
		return r == -1 ? "stall" : "silence";
	snprintf(text, sizeof(text), "%d %d %u", s[4], s[0], kf_get_le32(s) >> 8);
	return text;
}

static int command(struct sim_board *b, uint8_t code, uint32_t address)
{
	uint8_t data[5] = { code };

	kf_put_le32(data + 1, address);
	return control(b, DNLOAD, 0, data, 5);
}

/* A command that takes no time. */
static void done(struct sim_board *b)
{
	CHECK_STR(status(b), "4 0 0");
	CHECK_STR(status(b), "5 0 0");
}

static void point(struct sim_board *b, uint32_t address)
{
	CHECK(command(b, 0x21, address) == 5);
	done(b);
}

TEST(states_of_a_download)
{
	struct sim_board *b = plug("mcu=stm32f407xx,mode=dfu,real_times");
	uint8_t data[2048], byte = 0;

	memset(data, 0x5a, sizeof(data));
	CHECK(control(b, GETSTATE, 0, &byte, 1) == 1 && byte == SIM_DFU_IDLE);
	CHECK(command(b, 0x41, BASE) == 5);
	CHECK(control(b, GETSTATE, 0, &byte, 1) == 1 && byte == SIM_DFU_DNLOAD_SYNC);
	CHECK(b->flash.erases == 0); /* GETSTATUS begins it */
	CHECK_STR(status(b), "4 0 250");
	CHECK(b->flash.erases == 1 && b->flash.data[0] == 0xff);
	pass(b, 250000);
	CHECK_STR(status(b), "5 0 0");
	point(b, BASE);
	CHECK(control(b, DNLOAD, 2, data, sizeof(data)) == sizeof(data));
	CHECK_STR(status(b), "4 0 9");
	pass(b, 9000);
	CHECK_STR(status(b), "5 0 0");
	CHECK(control(b, DNLOAD, 3, data, 100) == 100);
	CHECK_STR(status(b), "4 0 1");
	pass(b, 1000);
	CHECK_STR(status(b), "5 0 0");
	for (unsigned i = 0; i < 2148; i++)
		CHECK(b->flash.data[i] == 0x5a);
	CHECK(b->flash.data[2148] == 0xff);
	unplug(b);
}

TEST(a_request_while_it_is_busy_is_an_error)
{
	struct sim_board *b = plug("mcu=stm32f407xx,mode=dfu,real_times");

	CHECK(command(b, 0x41, BASE + 0x20000) == 5);
	CHECK_STR(status(b), "4 0 1000");
	pass(b, 999999);
	CHECK_STR(status(b), "stall");
	CHECK_STR(status(b), "10 15 0");
	CHECK(control(b, ABORT, 0, NULL, 0) == -1);
	CHECK(control(b, DNLOAD, 2, (uint8_t[]){ 1 }, 1) == -1);
	CHECK(control(b, CLRSTATUS, 0, NULL, 0) == 0);
	CHECK_STR(status(b), "2 0 0");
	unplug(b);
}

TEST(a_wait_that_is_told_too_short)
{
	struct sim_board *b = plug("mcu=stm32f407xx,mode=dfu,real_times,poll_ms=5");

	CHECK(command(b, 0x41, BASE) == 5);
	CHECK_STR(status(b), "4 0 5");
	pass(b, 5000);
	CHECK_STR(status(b), "stall");
	unplug(b);
}

TEST(wrong_addresses_and_commands)
{
	struct sim_board *b = plug("mcu=stm32f446xx,mode=dfu");
	uint8_t data[4] = { 0 };

	CHECK(command(b, 0x41, BASE + 512 * 1024) == 5);
	CHECK_STR(status(b), "4 0 0");
	CHECK_STR(status(b), "10 1 0");
	CHECK(control(b, CLRSTATUS, 0, NULL, 0) == 0);
	CHECK(command(b, 0x21, 0x20000000) == 5);
	CHECK_STR(status(b), "4 0 0");
	CHECK_STR(status(b), "10 1 0");
	CHECK(control(b, CLRSTATUS, 0, NULL, 0) == 0);
	CHECK(command(b, 0x42, BASE) == -1);
	CHECK(control(b, CLRSTATUS, 0, NULL, 0) == 0);
	CHECK(control(b, DNLOAD, 1, data, 4) == -1);
	CHECK(control(b, CLRSTATUS, 0, NULL, 0) == 0);
	/* Past the end of the flash. */
	CHECK(control(b, DNLOAD, 2 + 256, data, 4) == 4);
	CHECK_STR(status(b), "4 0 0");
	CHECK_STR(status(b), "10 8 0");
	/* Only an error can be cleared. */
	CHECK(control(b, CLRSTATUS, 0, NULL, 0) == 0);
	CHECK(control(b, CLRSTATUS, 0, NULL, 0) == 0);
	CHECK_STR(status(b), "10 14 0");
	unplug(b);
}

TEST(upload)
{
	struct sim_board *b = plug("mcu=stm32f072xb,mode=dfu,transfer=1024");
	uint8_t data[1024];

	CHECK(control(b, UPLOAD, 0, data, 64) == 4 && data[1] == 0x21 && data[3] == 0x92);
	CHECK_STR(status(b), "2 0 0");
	CHECK(control(b, UPLOAD, 2, data, 1024) == 1024);
	CHECK(memcmp(data, b->flash.data, 1024) == 0);
	CHECK_STR(status(b), "9 0 0");
	CHECK(control(b, UPLOAD, 3, data, 8) == 8 && memcmp(data, b->flash.data + 1024, 8) == 0);
	CHECK(command(b, 0x21, BASE) == -1); /* only ABORT leads out of an upload */
	CHECK(control(b, CLRSTATUS, 0, NULL, 0) == 0);
	point(b, BASE + 128 * 1024 - 16);
	CHECK(control(b, UPLOAD, 2, data, 64) == -1); /* and out of a download */
	CHECK(control(b, CLRSTATUS, 0, NULL, 0) == 0);
	CHECK(control(b, UPLOAD, 2, data, 64) == 16);
	CHECK_STR(status(b), "2 0 0"); /* a short answer is the end */
	CHECK(control(b, UPLOAD, 3, data, 64) == -1);
	CHECK_STR(status(b), "10 8 0");
	unplug(b);
}

TEST(programming_without_an_erase)
{
	struct sim_board *b = plug("mcu=stm32f446xx,mode=dfu,katapult=none");
	uint8_t old = b->flash.data[1], data[2] = { 0, 0x0f };

	CHECK(control(b, DNLOAD, 2, data, 2) == 2);
	done(b);
	CHECK(b->flash.data[1] == (old & 0x0f));
	unplug(b);

	b = plug("mcu=stm32g0b1xx,mode=dfu,katapult=none");
	old = b->flash.data[1];
	CHECK(control(b, DNLOAD, 2, data, 2) == 2);
	CHECK_STR(status(b), "4 0 0");
	CHECK_STR(status(b), "10 6 0");
	CHECK(b->flash.data[1] == old);
	unplug(b);
}

TEST(mass_erase_takes_katapult_along)
{
	struct sim_board *b = plug("mcu=stm32f446xx,mode=dfu");
	uint8_t all = 0x41;

	CHECK(sim_firmware_has_katapult(&b->flash));
	CHECK(control(b, DNLOAD, 0, &all, 1) == 1);
	done(b);
	CHECK(!sim_firmware_has_katapult(&b->flash));
	for (uint32_t i = 0; i < b->flash.size; i++)
		if (b->flash.data[i] != 0xff) {
			CHECK(!"erased");
			break;
		}
	unplug(b);
}

TEST(read_protection)
{
	struct sim_board *b = plug("mcu=stm32f446xx,mode=dfu,protected");
	uint8_t data[64], unprotect = 0x92;

	CHECK(control(b, UPLOAD, 2, data, 64) == -1);
	CHECK_STR(status(b), "10 11 0");
	CHECK(control(b, CLRSTATUS, 0, NULL, 0) == 0);
	CHECK(command(b, 0x41, BASE) == 5);
	CHECK_STR(status(b), "4 0 0");
	CHECK_STR(status(b), "10 11 0");
	CHECK(control(b, CLRSTATUS, 0, NULL, 0) == 0);
	CHECK(control(b, DNLOAD, 0, &unprotect, 1) == 1);
	CHECK_STR(status(b), "4 0 0");
	CHECK(b->flash.data[0] == 0xff);
	pass(b, LEAVING_US);
	CHECK(b->mode == KF_MODE_NONE);
	pass(b, REENUM_US);
	CHECK(b->mode == KF_MODE_DFU);
	CHECK(control(b, UPLOAD, 2, data, 64) == 64);
	unplug(b);
}

static const char *leave(struct sim_board *b, uint32_t address)
{
	point(b, address);
	CHECK(control(b, DNLOAD, 0, NULL, 0) == 0);
	return status(b);
}

/* An image with this version, of an MCU, into the flash, as if it had been downloaded. */
static void write_firmware(struct sim_board *b, const char *version)
{
	memset(b->flash.data, 0xff, b->flash.size);
	CHECK(sim_firmware_make(&b->flash, BASE, "Klipper", b->spec.mcu, version, NULL) == 0);
	b->flash.incomplete = true;
}

TEST(it_starts_what_lies_at_the_pointer)
{
	struct sim_board *b = plug("mcu=stm32f446xx,mode=dfu");

	write_firmware(b, "v2");
	CHECK_STR(leave(b, BASE), "7 0 0");
	CHECK(b->mode == KF_MODE_DFU);
	pass(b, LEAVING_US);
	CHECK(b->mode == KF_MODE_NONE);
	pass(b, REENUM_US);
	CHECK(b->mode == KF_MODE_KLIPPER);
	CHECK_STR(b->firmware.version, "v2");
	/* There is no Katapult any more: 1200 baud leads into the ROM. */
	sim_board_open(b, 0);
	sim_board_close(b, true, now_us);
	pass(b, REENUM_US);
	CHECK(b->mode == KF_MODE_DFU);
	/* Nothing runs from an erased page. */
	CHECK(command(b, 0x41, BASE) == 5);
	done(b);
	leave(b, BASE);
	pass(b, LEAVING_US);
	pass(b, REENUM_US);
	CHECK(b->mode == KF_MODE_NONE);
	sim_board_unplug(b);
	sim_board_plug(b, SIM_BUTTON_BOOT, now_us);
	pass(b, 0);
	CHECK(b->mode == KF_MODE_DFU);
	unplug(b);
}

TEST(a_firmware_that_was_not_written_whole_does_not_run)
{
	struct sim_board *b = plug("mcu=stm32f446xx,mode=dfu,katapult=none,unplug=5");

	write_firmware(b, "v2");
	point(b, BASE);
	CHECK(control(b, GETSTATE, 0, (uint8_t[1]){ 0 }, 1) == 1);
	CHECK(control(b, DNLOAD, 2, (uint8_t[]){ 0 }, 1) == -2);
	pass(b, REENUM_US);
	CHECK(b->mode == KF_MODE_NONE);
	CHECK_STR(b->news, "unplugged");
	unplug(b);
}

TEST(katapult_starts_if_it_is_there)
{
	struct sim_board *b = plug("mcu=stm32f446xx,mode=dfu,katapult=none");

	memset(b->flash.data, 0xff, b->flash.size);
	sim_firmware_make_katapult(&b->flash);
	leave(b, BASE);
	pass(b, LEAVING_US);
	pass(b, REENUM_US);
	CHECK(b->mode == KF_MODE_KATAPULT);
	CHECK(b->katapult.start == 0x08008000);
	unplug(b);
}

TEST(ways_to_leave)
{
	static const struct {
		const char *rom, *status;
		enum kf_mode mode;
	} ways[] = {
		{ "stall", "stall", KF_MODE_KLIPPER },
		{ "silent", "silence", KF_MODE_KLIPPER },
		{ "stay", "7 0 0", KF_MODE_DFU },
	};
	char text[128];

	for (size_t i = 0; i < KF_ARRAY_SIZE(ways); i++) {
		struct sim_board *b;

		snprintf(text, sizeof(text), "mcu=stm32f446xx,mode=dfu,rom_leave=%s", ways[i].rom);
		b = plug(text);
		write_firmware(b, "v2");
		CHECK_STR(leave(b, BASE), ways[i].status);
		pass(b, LEAVING_US);
		pass(b, REENUM_US);
		CHECK(b->mode == ways[i].mode);
		unplug(b);
	}
}

TEST(faults_at_transfers)
{
	struct sim_board *b =
		plug("mcu=stm32f446xx,mode=dfu,nack=2,f2=4,late=7,late_us=1000,corrupt=rx:5");
	uint8_t byte = 0;

	CHECK_STR(status(b), "2 0 0");
	CHECK_STR(status(b), "stall");
	CHECK(command(b, 0x21, BASE) == 5);
	CHECK_STR(status(b), "4 0 0"); /* the fault is the next step's */
	CHECK_STR(status(b), "10 14 0");
	CHECK(control(b, CLRSTATUS, 0, NULL, 0) == 0);
	{
		struct sim_usb_transfer t = { .endpoint = 0x80,
					      .setup = { 0xa1, GETSTATE, 0, 0, 1 },
					      .data = &byte,
					      .len = 1 };

		CHECK(sim_board_transfer(b, &t, now_us) == SIM_USB_NAK);
		CHECK(sim_board_wake_us(b, now_us) == now_us + 1000);
		now_us += 1000;
		CHECK(sim_board_transfer(b, &t, now_us) == SIM_USB_DONE && byte == SIM_DFU_IDLE);
	}
	CHECK(control(b, GETSTATE, 0, &byte, 1) == 1 && byte == (SIM_DFU_IDLE ^ 0x40));
	unplug(b);
}

TEST(descriptors)
{
	static const struct {
		const char *mcu, *flash;
	} parts[] = {
		{ "stm32f407xx", "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg" },
		{ "stm32f446xx", "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,03*128Kg" },
		{ "stm32f072xb", "@Internal Flash  /0x08000000/064*0002Kg" },
		{ "stm32f042x6", "@Internal Flash  /0x08000000/032*0001Kg" },
		{ "stm32g0b1xx", "@Internal Flash  /0x08000000/256*02Kg" },
		{ "stm32h743xx", "@Internal Flash  /0x08000000/16*128Kg" },
		{ "stm32h723xx", "@Internal Flash  /0x08000000/08*128Kg" },
	};
	char text[64];

	for (size_t i = 0; i < KF_ARRAY_SIZE(parts); i++) {
		struct sim_identity id;
		struct sim_board *b;

		snprintf(text, sizeof(text), "mcu=%s,mode=dfu", parts[i].mcu);
		b = plug(text);
		sim_identity_of(b, &id);
		CHECK(id.device == b->rom);
		CHECK_STR(id.serial, id.device->strings[2]);
		CHECK_STR(id.device->strings[3], parts[i].flash);
		CHECK(sim_usb_alternates(id.device, 0) > 1 &&
		      sim_usb_alternates(id.device, 1) == 0);
		unplug(b);
	}
}

TEST(a_bridge_leaves_over_its_bus)
{
	struct sim_board *b = plug("mcu=stm32f446xx,bridge,can=can0,katapult=none");

	CHECK(b->mode == KF_MODE_KLIPPER);
	b->can.wants_bootloader = true;
	pass(b, 0);
	pass(b, REENUM_US);
	CHECK(b->mode == KF_MODE_DFU && b->rom);
	unplug(b);
}

TEST_MAIN(T(states_of_a_download), T(a_request_while_it_is_busy_is_an_error),
	  T(a_wait_that_is_told_too_short), T(wrong_addresses_and_commands), T(upload),
	  T(programming_without_an_erase), T(mass_erase_takes_katapult_along), T(read_protection),
	  T(it_starts_what_lies_at_the_pointer),
	  T(a_firmware_that_was_not_written_whole_does_not_run), T(katapult_starts_if_it_is_there),
	  T(ways_to_leave), T(faults_at_transfers), T(descriptors), T(a_bridge_leaves_over_its_bus))
