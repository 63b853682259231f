/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The simulated ROM of an RP2040 and RP2350: commands, what is refused, times, what it starts. */

#include "core/bytes.h"
#include "sim/identity.h"
#include "unit/sim-board.h"
#include "unit/test.h"

#define BASE	  0x10000000u
#define REENUM_US 50000
#define STALL	  (-1)
#define WAITS	  (-2)

enum { OUT = 0x03, IN = 0x84 };
enum { EXCLUSIVE = 1, REBOOT, ERASE, WRITE = 5, EXIT_XIP, REBOOT2 = 10, READ = 0x84 };

static int transfer(struct sim_board *b, struct sim_usb_transfer *t)
{
	switch (sim_board_transfer(b, t, now_us)) {
	case SIM_USB_DONE:
		return (int)t->actual;
	case SIM_USB_STALL:
		return STALL;
	case SIM_USB_NAK:
		break;
	}
	return WAITS;
}

static int bulk(struct sim_board *b, uint8_t endpoint, void *data, size_t len)
{
	struct sim_usb_transfer t = { .endpoint = endpoint, .data = data, .len = len };

	return transfer(b, &t);
}

static int send_command(struct sim_board *b, uint8_t id, uint8_t arguments, uint32_t bytes,
			const uint32_t values[4])
{
	uint8_t packet[32] = { 0x0b, 0xd1, 0x1f, 0x43, 7 };

	packet[8] = id;
	packet[9] = arguments;
	kf_put_le32(packet + 12, bytes);
	for (size_t i = 0; values && i < 4; i++)
		kf_put_le32(packet + 16 + 4 * i, values[i]);
	return bulk(b, OUT, packet, sizeof(packet));
}

static int range(struct sim_board *b, uint8_t id, uint32_t address, uint32_t bytes)
{
	return send_command(b, id, 8, id == ERASE ? 0 : bytes,
			    (uint32_t[]){ address, bytes, 0, 0 });
}

static int acknowledge(struct sim_board *b)
{
	uint8_t byte;

	return bulk(b, IN, &byte, 1);
}

/* The status of the last command; the interface is reset if it was refused. */
static uint32_t status(struct sim_board *b)
{
	uint8_t bytes[16];
	struct sim_usb_transfer get = {
		.endpoint = 0x80, .setup = { 0xc1, 0x42, 0, 1, 16 }, .data = bytes, .len = 16
	};
	struct sim_usb_transfer reset = { .setup = { 0x41, 0x41, 0, 1, 0 } };

	CHECK(transfer(b, &get) == 16 && kf_get_le32(bytes) == 7);
	CHECK(transfer(b, &reset) == 0);
	return kf_get_le32(bytes + 4);
}

static void write_page(struct sim_board *b, uint32_t address, uint8_t value)
{
	uint8_t page[256];

	memset(page, value, sizeof(page));
	CHECK(range(b, WRITE, address, sizeof(page)) == 32);
	CHECK(bulk(b, OUT, page, sizeof(page)) == sizeof(page));
	CHECK(acknowledge(b) == 0);
}

TEST(an_exchange_takes_the_flash_s_time)
{
	struct sim_board *b = plug("mcu=rp2040,mode=rp2boot,real_times");
	uint8_t page[256], back[256];

	memset(page, 0x5a, sizeof(page));
	CHECK(send_command(b, EXCLUSIVE, 1, 0, (uint32_t[4]){ 1 }) == 32 && acknowledge(b) == 0);
	CHECK(send_command(b, EXIT_XIP, 0, 0, NULL) == 32 && acknowledge(b) == 0);
	CHECK(range(b, ERASE, BASE + 0x4000, 8192) == 32);
	CHECK(acknowledge(b) == WAITS);
	CHECK(sim_board_wake_us(b, now_us) == now_us + 90000);
	pass(b, 89999);
	CHECK(acknowledge(b) == WAITS);
	pass(b, 1);
	CHECK(acknowledge(b) == 0);
	CHECK(range(b, WRITE, BASE + 0x4000, 256) == 32);
	CHECK(bulk(b, OUT, page, 128) == 128 && acknowledge(b) == WAITS);
	pass(b, 200);
	CHECK(bulk(b, OUT, page + 128, 128) == 128);
	pass(b, 199);
	CHECK(acknowledge(b) == WAITS);
	pass(b, 1);
	CHECK(acknowledge(b) == 0);
	CHECK(range(b, READ, BASE + 0x4000, 256) == 32);
	CHECK(bulk(b, IN, back, 64) == 64 && bulk(b, IN, back + 64, 192) == 192);
	CHECK(bulk(b, OUT, NULL, 0) == 0);
	CHECK(memcmp(page, back, sizeof(page)) == 0);
	CHECK(status(b) == 0);
	unplug(b);
}

TEST(what_it_refuses)
{
	struct sim_board *b = plug("mcu=rp2040,mode=rp2boot");
	uint8_t page[256] = { 0 };
	uint16_t before = b->flash.data[0x4000];

	CHECK(range(b, ERASE, BASE + 256, 4096) == STALL && status(b) == 5);
	CHECK(range(b, ERASE, BASE, 256) == STALL && status(b) == 5);
	CHECK(range(b, WRITE, BASE + 4, 256) == STALL && status(b) == 5);
	CHECK(range(b, WRITE, BASE, 100) == STALL && status(b) == 5);
	CHECK(range(b, ERASE, 0x20000000, 4096) == STALL && status(b) == 4);
	CHECK(range(b, READ, 0x40000000, 4) == STALL && status(b) == 4);
	CHECK(range(b, READ, BASE + (16 << 20) - 4, 8) == STALL && status(b) == 4);
	CHECK(send_command(b, WRITE, 8, 512, (uint32_t[4]){ BASE, 256 }) == STALL &&
	      status(b) == 3);
	CHECK(send_command(b, EXIT_XIP, 0, 8, NULL) == STALL && status(b) == 3);
	CHECK(send_command(b, EXIT_XIP, 4, 0, NULL) == STALL && status(b) == 2);
	CHECK(send_command(b, 0x20, 0, 0, NULL) == STALL && status(b) == 1);
	CHECK(bulk(b, OUT, page, 32) == STALL && status(b) == 8); /* no magic */
	CHECK(bulk(b, OUT, page, 31) == STALL && status(b) == 8);
	CHECK(b->flash.data[0x4000] == before && b->flash.erases == 0);
	unplug(b);
}

TEST(both_endpoints_stall_until_they_are_cleared)
{
	struct sim_board *b = plug("mcu=rp2040,mode=rp2boot");
	struct sim_usb_transfer clear = { .setup = { 0x02, 1, 0, OUT, 0 } };

	CHECK(send_command(b, 0x20, 0, 0, NULL) == STALL);
	CHECK(send_command(b, EXIT_XIP, 0, 0, NULL) == STALL);
	CHECK(acknowledge(b) == STALL);
	CHECK(transfer(b, &clear) == 0);
	CHECK(send_command(b, EXIT_XIP, 0, 0, NULL) == 32);
	CHECK(acknowledge(b) == STALL);
	clear.setup.index = IN;
	CHECK(transfer(b, &clear) == 0);
	CHECK(acknowledge(b) == 0);
	unplug(b);
}

TEST(a_command_before_the_last_one_is_over)
{
	struct sim_board *b = plug("mcu=rp2040,mode=rp2boot");
	uint8_t data[256] = { 0 };

	CHECK(send_command(b, EXIT_XIP, 0, 0, NULL) == 32);
	CHECK(send_command(b, EXIT_XIP, 0, 0, NULL) == STALL && status(b) == 8);
	CHECK(range(b, READ, BASE, 256) == 32);
	CHECK(range(b, READ, BASE, 256) == STALL && status(b) == 8);
	/* It is taken for data, of which a short packet would be the end. */
	CHECK(range(b, WRITE, BASE, 256) == 32);
	CHECK(range(b, WRITE, BASE, 256) == STALL && status(b) == 3);
	CHECK(range(b, WRITE, BASE, 256) == 32);
	CHECK(bulk(b, OUT, (uint8_t[512]){ 0 }, 512) == STALL && status(b) == 3);
	CHECK(range(b, READ, BASE, 256) == 32 && bulk(b, IN, data, 256) == 256);
	CHECK(acknowledge(b) == WAITS); /* it is the host's turn */
	unplug(b);
}

TEST(programming_only_clears_bits_and_addresses_wrap)
{
	struct sim_board *b = plug("mcu=rp2040,mode=rp2boot");

	CHECK(range(b, ERASE, BASE + 0x10000, 4096) == 32 && acknowledge(b) == 0);
	write_page(b, BASE + 0x10000, 0x3c);
	write_page(b, BASE + 0x10000, 0xf0);
	CHECK(b->flash.data[0x10000] == 0x30);
	/* A chip of 2 MiB. */
	write_page(b, BASE + (2 << 20) + 0x10000, 0x10);
	CHECK(b->flash.data[0x10000] == 0x10);
	unplug(b);
}

static void reboot(struct sim_board *b, uint8_t id)
{
	CHECK(send_command(b, id, id == REBOOT ? 12 : 16, 0,
			   id == REBOOT ? (uint32_t[4]){ 0, 0, 500 } : (uint32_t[4]){ 0, 500 }) ==
	      32);
	CHECK(acknowledge(b) == 0);
	pass(b, 499999);
	CHECK(b->mode == KF_MODE_RP2BOOT);
	CHECK(send_command(b, EXIT_XIP, 0, 0, NULL) == STALL && status(b) == 7);
	pass(b, 1);
	CHECK(b->mode == KF_MODE_NONE);
	pass(b, REENUM_US);
}

TEST(reboot_of_each_chip)
{
	struct sim_board *b = plug("mcu=rp2040,mode=rp2boot,katapult=none");
	struct sim_identity id;

	CHECK(send_command(b, REBOOT2, 16, 0, (uint32_t[4]){ 0, 500 }) == STALL && status(b) == 1);
	reboot(b, REBOOT);
	CHECK(b->mode == KF_MODE_KLIPPER);
	unplug(b);

	b = plug("mcu=rp2350,mode=rp2boot,katapult=none");
	sim_identity_of(b, &id);
	CHECK_STR(id.usb.product, "000f");
	CHECK(send_command(b, REBOOT, 12, 0, (uint32_t[4]){ 0, 0, 500 }) == STALL &&
	      status(b) == 1);
	reboot(b, REBOOT2);
	CHECK(b->mode == KF_MODE_KLIPPER);
	unplug(b);
}

TEST(a_chip_without_anything_to_start_stays_in_its_rom)
{
	static const char *const chips[] = { "rp2040", "rp2350" };
	char text[64];

	for (size_t i = 0; i < KF_ARRAY_SIZE(chips); i++) {
		struct sim_board *b;

		snprintf(text, sizeof(text), "mcu=%s,mode=rp2boot,katapult=none", chips[i]);
		b = plug(text);
		CHECK(range(b, ERASE, BASE, 4096) == 32 && acknowledge(b) == 0);
		reboot(b, i == 0 ? REBOOT : REBOOT2);
		CHECK(b->mode == KF_MODE_RP2BOOT);
		/* With this it starts, and has no application. */
		sim_firmware_make_bootable(&b->flash);
		reboot(b, i == 0 ? REBOOT : REBOOT2);
		CHECK(b->mode == KF_MODE_NONE);
		sim_board_plug(b, SIM_BUTTON_BOOT, now_us);
		pass(b, 0);
		CHECK(b->mode == KF_MODE_RP2BOOT);
		unplug(b);
	}
}

TEST(katapult_and_its_application)
{
	struct sim_board *b = plug("mcu=rp2040,mode=rp2boot");

	reboot(b, REBOOT);
	CHECK(b->mode == KF_MODE_KLIPPER);
	sim_board_unplug(b);
	sim_board_plug(b, SIM_BUTTON_BOOT, now_us);
	pass(b, 0);
	CHECK(range(b, ERASE, BASE + 0x4000, 4096) == 32 && acknowledge(b) == 0);
	reboot(b, REBOOT);
	CHECK(b->mode == KF_MODE_KATAPULT);
	unplug(b);
}

TEST(ways_to_leave_and_faults)
{
	static const struct {
		const char *spec;
		int acknowledged;
		enum kf_mode mode;
	} ways[] = {
		{ "rom_leave=stall", STALL, KF_MODE_KLIPPER },
		{ "rom_leave=silent", WAITS, KF_MODE_KLIPPER },
		{ "rom_leave=stay", 0, KF_MODE_RP2BOOT },
		{ "drop=rx:1", WAITS, KF_MODE_KLIPPER },
	};
	struct sim_board *b;
	char text[96];

	for (size_t i = 0; i < KF_ARRAY_SIZE(ways); i++) {
		snprintf(text, sizeof(text), "mcu=rp2040,mode=rp2boot,%s", ways[i].spec);
		b = plug(text);
		CHECK(send_command(b, REBOOT, 12, 0, (uint32_t[4]){ 0, 0, 10 }) == 32);
		CHECK(acknowledge(b) == ways[i].acknowledged);
		pass(b, 10000);
		pass(b, REENUM_US);
		CHECK(b->mode == ways[i].mode);
		unplug(b);
	}
	b = plug("mcu=rp2040,mode=rp2boot,f2=1,nack=5,unplug=complete");
	CHECK(send_command(b, EXIT_XIP, 0, 0, NULL) == STALL && status(b) == 8);
	CHECK(send_command(b, EXIT_XIP, 0, 0, NULL) == 32);
	CHECK(acknowledge(b) == STALL);
	CHECK(acknowledge(b) == 0);
	CHECK(send_command(b, REBOOT, 12, 0, (uint32_t[4]){ 0 }) == WAITS);
	CHECK(b->mode == KF_MODE_NONE);
	unplug(b);
}

TEST(interfaces)
{
	struct sim_board *b = plug("mcu=rp2040,mode=rp2boot");

	CHECK(sim_usb_alternates(b->rom, 0) == 1 && sim_usb_alternates(b->rom, 1) == 1);
	CHECK(bulk(b, 0x02, (uint8_t[31]){ 0 }, 31) == STALL); /* the drive is not simulated */
	unplug(b);
	b = plug("mcu=rp2040,mode=rp2boot,no_drive");
	CHECK(sim_usb_alternates(b->rom, 0) == 1 && sim_usb_alternates(b->rom, 1) == 0);
	CHECK(sim_usb_has_endpoint(b->rom, OUT) && !sim_usb_has_endpoint(b->rom, 0x02));
	unplug(b);
}

TEST_MAIN(T(an_exchange_takes_the_flash_s_time), T(what_it_refuses),
	  T(both_endpoints_stall_until_they_are_cleared), T(a_command_before_the_last_one_is_over),
	  T(programming_only_clears_bits_and_addresses_wrap), T(reboot_of_each_chip),
	  T(a_chip_without_anything_to_start_stays_in_its_rom), T(katapult_and_its_application),
	  T(ways_to_leave_and_faults), T(interfaces))
