/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The simulated board as a whole: what it is after each reset, its firmware, its faults. */
#include <errno.h>

#include "core/bytes.h"
#include "katapult/frame.h"
#include "mcu/frame.h"
#include "sim/identity.h"
#include "unit/sim-board.h"
#include "unit/test.h"

#define START	   0x08008000u
#define REENUM_US  50000
#define LEAVING_US 100000

/* Its port is open, too. */
static struct sim_board *plug_and_open(const char *text)
{
	struct sim_board *b = plug(text);

	sim_board_open(b, 0);
	return b;
}

static size_t talk(struct sim_board *b, const uint8_t *tx, size_t len, uint8_t *rx, size_t size)
{
	size_t got;

	CHECK(sim_board_write(b, tx, len, now_us));
	sim_board_run(b, now_us);
	got = sim_link_readable(&b->link, now_us);
	CHECK(got <= size);
	memcpy(rx, b->link.in, got);
	sim_link_drop(&b->link, got);
	return got;
}

/* One Katapult command; returns the answer's code, 0 for silence. */
static uint8_t command(struct sim_board *b, uint8_t code, const void *payload, size_t len)
{
	uint8_t frame[KF_KATAPULT_FRAME_MAX], rx[1024];
	size_t n = kf_katapult_frame_encode(code, payload, len, frame);

	return talk(b, frame, n, rx, sizeof(rx)) < 8 ? 0 : rx[2];
}

static uint8_t send_block(struct sim_board *b, uint32_t address, const uint8_t *data)
{
	uint8_t payload[68];

	kf_put_le32(payload, address);
	memcpy(payload + 4, data, 64);
	return command(b, KF_KATAPULT_SEND_BLOCK, payload, sizeof(payload));
}

/* An image of the given version and MCU, linked for start; the caller frees. */
static uint8_t *make_image(const char *mcu, const char *version, uint32_t start, size_t *len)
{
	struct sim_flash flash;
	uint8_t *image;

	CHECK(sim_flash_init(&flash, "stm32f446xx", 0, NULL) == 0);
	CHECK(sim_firmware_make(&flash, start, "Kalico", mcu, version, NULL) == 0);
	*len = 1024;
	image = malloc(*len);
	memcpy(image, flash.data + (start - flash.base), *len);
	sim_flash_free(&flash);
	return image;
}

static void flash_image(struct sim_board *b, const char *mcu, uint32_t linked, bool whole)
{
	size_t len, end;
	uint8_t *image = make_image(mcu, "v9.9-1-gfedcba98", linked, &len);

	end = whole ? len : len / 2;
	CHECK(command(b, KF_KATAPULT_CONNECT, NULL, 0) == KF_KATAPULT_ACK);
	for (size_t i = 0; i < end; i += 64)
		CHECK(send_block(b, START + (uint32_t)i, image + i) == KF_KATAPULT_ACK);
	if (whole)
		CHECK(command(b, KF_KATAPULT_EOF, NULL, 0) == KF_KATAPULT_ACK);
	CHECK(command(b, KF_KATAPULT_COMPLETE, NULL, 0) == KF_KATAPULT_ACK);
	free(image);
	pass(b, LEAVING_US);
	CHECK(b->mode == KF_MODE_NONE);
	pass(b, REENUM_US);
}

static struct sim_board *in_katapult(const char *more)
{
	char text[256];

	snprintf(text, sizeof(text), "mcu=stm32f446xx,mode=katapult,%s", more);
	return plug_and_open(text);
}

TEST(without_katapult_it_is_the_rom)
{
	struct sim_board *b = plug_and_open("mcu=stm32f446xx,katapult=none");
	struct sim_identity id;

	sim_board_close(b, true, now_us);
	pass(b, REENUM_US);
	CHECK(b->mode == KF_MODE_DFU);
	sim_identity_of(b, &id);
	CHECK(!id.tty);
	unplug(b);

	b = plug_and_open("mcu=stm32f103xe,katapult=none,rom=1209:beba");
	sim_board_close(b, true, now_us);
	pass(b, REENUM_US);
	CHECK(b->mode == KF_MODE_DFU);
	sim_identity_of(b, &id);
	CHECK(!id.tty);
	CHECK_STR(id.usb.product, "beba");
	unplug(b);

	b = plug_and_open("mcu=rp2040,katapult=none");
	sim_board_close(b, true, now_us);
	pass(b, REENUM_US);
	CHECK(b->mode == KF_MODE_RP2BOOT);
	unplug(b);
}

TEST(broken_firmware_does_not_run)
{
	struct sim_board *b = in_katapult("rescue=1");

	flash_image(b, "stm32f446xx", START, false);
	CHECK(b->mode == KF_MODE_KATAPULT);
	unplug(b);

	b = in_katapult("");
	flash_image(b, "stm32f446xx", START, false);
	CHECK(b->mode == KF_MODE_NONE);
	unplug(b);

	b = in_katapult("");
	flash_image(b, "stm32f446xx", 0x08020000, true);
	CHECK(b->mode == KF_MODE_NONE);
	unplug(b);

	b = in_katapult("");
	flash_image(b, "stm32f407xx", START, true);
	CHECK(b->mode == KF_MODE_NONE);
	unplug(b);
}

TEST(it_returns_as_it_is_told)
{
	struct sim_board *b = in_katapult("return_as=Voron,return_port=2-1");
	struct sim_identity id;

	flash_image(b, "stm32f446xx", START, true);
	sim_identity_of(b, &id);
	CHECK_STR(id.manufacturer, "Voron");
	CHECK_STR(id.port, "2-1");
	unplug(b);

	b = in_katapult("return_as=never");
	flash_image(b, "stm32f446xx", START, true);
	CHECK(b->mode == KF_MODE_NONE && sim_board_wake_us(b, now_us) == SIM_NEVER);
	unplug(b);

	b = plug_and_open("mcu=stm32f446xx,leave_as=CanBoot");
	sim_board_close(b, true, now_us);
	pass(b, REENUM_US);
	sim_identity_of(b, &id);
	CHECK(b->mode == KF_MODE_KATAPULT);
	CHECK_STR(id.manufacturer, "CanBoot");
	unplug(b);
}

/* A request for the dictionary; the answers as they come. */
static size_t identify(struct sim_board *b, uint8_t sequence, uint32_t offset, uint8_t *rx)
{
	uint8_t content[8] = { 1 }, block[KF_KLIPPER_BLOCK_MAX];
	size_t len = 1;

	len += kf_klipper_vlq_encode(offset, content + len);
	len += kf_klipper_vlq_encode(40, content + len);
	len = kf_klipper_block_encode(sequence, content, len, block);
	return talk(b, block, len, rx, 256);
}

TEST(a_wrong_sequence_is_naked_with_the_right_one)
{
	struct sim_board *b = plug_and_open("mcu=stm32f446xx");
	struct kf_klipper_block block;
	uint8_t rx[256];
	size_t skip;

	identify(b, 0, 0, rx);
	CHECK(identify(b, 0, 0, rx) == 5);
	CHECK(kf_klipper_block_decode(rx, 5, &block, &skip) == 5 && block.sequence == 1);
	CHECK(identify(b, 1, 0, rx) > 5);
	/* Garbage: one nak, and on with the next block. */
	CHECK(talk(b, (const uint8_t *)"\x55garbage\x7e", 9, rx, sizeof(rx)) == 5);
	CHECK(identify(b, 2, 0, rx) > 5);
	unplug(b);
}

TEST(a_uart_board_leaves_for_a_text)
{
	static const char text[] = "~ \x1c Request Serial Bootloader!! ~";
	struct sim_board *b = plug_and_open("mcu=stm32f405xx,uart,baud=0,boot_baud=0");
	unsigned shown = b->generation;
	uint8_t rx[256];

	sim_board_close(b, true, now_us);
	CHECK(b->mode == KF_MODE_KLIPPER);
	sim_board_open(b, 0);
	talk(b, (const uint8_t *)text, sizeof(text) - 1, rx, sizeof(rx));
	pass(b, REENUM_US);
	CHECK(b->mode == KF_MODE_KATAPULT && b->generation == shown);
	CHECK(command(b, KF_KATAPULT_CONNECT, NULL, 0) == KF_KATAPULT_ACK);
	unplug(b);
}

TEST(faults_on_the_way_there)
{
	struct sim_board *b = in_katapult("drop=1,nack=2,f2=3,f3=4,corrupt=6");

	CHECK(command(b, KF_KATAPULT_CONNECT, NULL, 0) == 0);
	CHECK(command(b, KF_KATAPULT_CONNECT, NULL, 0) == KF_KATAPULT_NACK);
	CHECK(command(b, KF_KATAPULT_CONNECT, NULL, 0) == KF_KATAPULT_COMMAND_ERROR);
	CHECK(command(b, KF_KATAPULT_CONNECT, NULL, 0) == KF_KATAPULT_BUSY);
	CHECK(command(b, KF_KATAPULT_CONNECT, NULL, 0) == KF_KATAPULT_ACK);
	CHECK(command(b, KF_KATAPULT_CONNECT, NULL, 0) == KF_KATAPULT_NACK);
	CHECK(command(b, KF_KATAPULT_CONNECT, NULL, 0) == 0); /* wedged */
	unplug(b);
}

TEST(faults_on_the_way_back)
{
	struct sim_board *b = in_katapult("drop=rx:1,corrupt=rx:2");
	uint8_t frame[KF_KATAPULT_FRAME_MAX], rx[256];
	size_t len = kf_katapult_frame_encode(KF_KATAPULT_EOF, NULL, 0, frame), skip;
	struct kf_katapult_frame got;

	CHECK(talk(b, frame, len, rx, sizeof(rx)) == 0);
	CHECK(talk(b, frame, len, rx, sizeof(rx)) == 16);
	CHECK(kf_katapult_frame_decode(rx, 16, &got, &skip) == -EBADMSG);
	CHECK(talk(b, frame, len, rx, sizeof(rx)) == 16);
	CHECK(kf_katapult_frame_decode(rx, 16, &got, &skip) == 16);
	unplug(b);
}

TEST(a_stall_ends_or_not)
{
	struct sim_board *b = in_katapult("stall=rx:1,stall_ms=20");

	CHECK(command(b, KF_KATAPULT_EOF, NULL, 0) == 0);
	pass(b, 19999);
	CHECK(sim_link_readable(&b->link, now_us) == 0);
	CHECK(sim_board_wake_us(b, now_us) == now_us + 1);
	pass(b, 1);
	CHECK(sim_link_readable(&b->link, now_us) == 16);
	unplug(b);

	b = in_katapult("stall=2");
	CHECK(command(b, KF_KATAPULT_EOF, NULL, 0) == KF_KATAPULT_ACK);
	CHECK(command(b, KF_KATAPULT_EOF, NULL, 0) == 0);
	CHECK(sim_board_wake_us(b, now_us) == SIM_NEVER);
	pass(b, 3600 * 1000000LL);
	CHECK(command(b, KF_KATAPULT_EOF, NULL, 0) == 0);
	unplug(b);
}

TEST(unplugged_in_the_middle)
{
	struct sim_board *b = in_katapult("unplug=3");
	uint8_t data[64] = { 1 };

	CHECK(send_block(b, START, data) == KF_KATAPULT_ACK);
	CHECK(send_block(b, START + 64, data) == KF_KATAPULT_ACK);
	CHECK(send_block(b, START + 128, data) == 0);
	CHECK(b->mode == KF_MODE_NONE);
	pass(b, REENUM_US);
	CHECK(b->mode == KF_MODE_NONE && sim_board_wake_us(b, now_us) == SIM_NEVER);
	sim_board_plug(b, SIM_BUTTON_NONE, now_us);
	pass(b, REENUM_US);
	CHECK(b->mode == KF_MODE_NONE);
	sim_board_plug(b, SIM_BUTTON_RESET, now_us);
	pass(b, REENUM_US);
	CHECK(b->mode == KF_MODE_KATAPULT);
	sim_board_open(b, 0);
	flash_image(b, "stm32f446xx", START, true);
	CHECK(b->mode == KF_MODE_KLIPPER);
	unplug(b);
}

/* A first word of 0 or 0xffffffff is no application; COMPLETE starts it all the same. */
TEST(katapult_looks_at_the_first_word_only)
{
	static const uint8_t words[] = { 0x00, 0xff };
	uint8_t data[64];

	for (size_t i = 0; i < sizeof(words); i++) {
		struct sim_board *b = in_katapult("");

		memset(data, 0xff, sizeof(data));
		memset(data, words[i], 4);
		CHECK(command(b, KF_KATAPULT_CONNECT, NULL, 0) == KF_KATAPULT_ACK);
		CHECK(send_block(b, START, data) == KF_KATAPULT_ACK);
		sim_board_unplug(b);
		sim_board_plug(b, SIM_BUTTON_NONE, now_us);
		pass(b, REENUM_US);
		CHECK(b->mode == KF_MODE_KATAPULT);
		sim_board_open(b, 0);
		CHECK(command(b, KF_KATAPULT_CONNECT, NULL, 0) == KF_KATAPULT_ACK);
		CHECK(command(b, KF_KATAPULT_COMPLETE, NULL, 0) == KF_KATAPULT_ACK);
		pass(b, LEAVING_US);
		pass(b, REENUM_US);
		CHECK(b->mode == KF_MODE_NONE);
		unplug(b);
	}
}

TEST_MAIN(T(without_katapult_it_is_the_rom), T(broken_firmware_does_not_run),
	  T(it_returns_as_it_is_told), T(a_wrong_sequence_is_naked_with_the_right_one),
	  T(a_uart_board_leaves_for_a_text), T(faults_on_the_way_there), T(faults_on_the_way_back),
	  T(a_stall_ends_or_not), T(unplugged_in_the_middle),
	  T(katapult_looks_at_the_first_word_only))
