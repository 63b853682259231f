/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The simulated bootloader against what the genuine one was recorded to say, and its limits. */
#include <stdlib.h>

#include "katapult/frame.h"
#include "sim/katapult.h"
#include "sim/link.h"
#include "unit/test.h"

#define RECORDED "tests/fixtures/katapult.jsonl"

struct rig {
	struct sim_flash flash;
	struct sim_katapult katapult;
	struct sim_link link;
	int64_t now_us;
};

static void rig_open(struct rig *rig, const char *mcu, uint32_t start, uint32_t block, bool uart)
{
	memset(rig, 0, sizeof(*rig));
	CHECK(sim_flash_init(&rig->flash, mcu, 0, NULL) == 0);
	snprintf(rig->katapult.name, sizeof(rig->katapult.name), "%s", mcu);
	strcpy(rig->katapult.version, "v0.0.1-109-g902f335");
	rig->katapult.flash = &rig->flash;
	rig->katapult.start = start;
	rig->katapult.block_bytes = block;
	sim_katapult_init(&rig->katapult, uart ? SIM_WIRE_UART : SIM_WIRE_USB);
	sim_link_reset(&rig->link, &rig->katapult.mcu, false);
	rig->link.open = true;
}

static void rig_close(struct rig *rig)
{
	sim_flash_free(&rig->flash);
}

/* One write(2), then all that comes back. */
static size_t talk(struct rig *rig, const uint8_t *tx, size_t len, uint8_t *rx, size_t size)
{
	size_t got;

	CHECK(sim_link_write(&rig->link, tx, len));
	sim_link_run(&rig->link, rig->now_us);
	got = sim_link_readable(&rig->link, rig->now_us);
	if (got > size)
		got = size;
	memcpy(rx, rig->link.in, got);
	sim_link_drop(&rig->link, got);
	return got;
}

static size_t from_hex(const char *hex, uint8_t *ret, size_t size)
{
	size_t len = 0;
	unsigned byte;

	for (; len < size && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		ret[len++] = (uint8_t)byte;
	return len;
}

static void replay(const json_t *scenario)
{
	const char *board = json_string_value(json_object_get(scenario, "board"));
	const char *name = json_string_value(json_object_get(scenario, "scenario"));
	bool h723 = strstr(board, "h723") != NULL, uart = strstr(board, "uart") != NULL;
	const char *mcu = h723 ? "stm32h723xx" : uart ? "stm32f405xx" : "stm32f446xx";
	struct rig rig;
	json_t *step;
	size_t i;

	rig_open(&rig, mcu, h723 ? 0x08020000 : 0x08008000, 64, uart);
	json_array_foreach(json_object_get(scenario, "steps"), i, step) {
		uint8_t tx[256], want[256], got[256];
		size_t tx_len, want_len, got_len;

		tx_len = from_hex(json_string_value(json_object_get(step, "tx")), tx, sizeof(tx));
		want_len = from_hex(json_string_value(json_object_get(step, "rx")), want,
				    sizeof(want));
		got_len = talk(&rig, tx, tx_len, got, sizeof(got));
		if (got_len == want_len && memcmp(got, want, want_len) == 0)
			continue;
		test_failed = true;
		printf("# %s: %s: step %zu (%s): %zu bytes, want %zu\n", board, name, i,
		       json_string_value(json_object_get(step, "step")), got_len, want_len);
	}
	rig_close(&rig);
}

TEST(recorded_scenarios)
{
	FILE *f = fopen(RECORDED, "r");
	char *line = NULL;
	size_t size = 0, count = 0;

	CHECK(f != NULL);
	while (f && getline(&line, &size, f) > 0) {
		json_t *scenario = json_loads(line, 0, NULL);

		CHECK(scenario != NULL);
		replay(scenario);
		json_decref(scenario);
		count++;
	}
	CHECK(count == 39);
	free(line);
	if (f)
		fclose(f);
}

static size_t block_frame(uint32_t address, size_t block, uint8_t fill, uint8_t *ret)
{
	uint8_t payload[4 + SIM_BLOCK_MAX];

	memset(payload, fill, sizeof(payload));
	kf_put_le32(payload, address);
	return kf_katapult_frame_encode(KF_KATAPULT_SEND_BLOCK, payload, 4 + block, ret);
}

static size_t read_frame(uint32_t address, uint8_t *ret)
{
	uint8_t payload[4];

	kf_put_le32(payload, address);
	return kf_katapult_frame_encode(KF_KATAPULT_REQUEST_BLOCK, payload, 4, ret);
}

TEST(one_frame_a_write_does_not)
{
	uint8_t rx[1024], frame[KF_KATAPULT_FRAME_MAX];
	struct rig rig;
	size_t acks = 0;

	rig_open(&rig, "stm32h723xx", 0x08020000, 64, false);
	for (uint32_t i = 0; i < 8; i++) {
		size_t len = block_frame(0x08020000 + i * 64, 64, 0x55, frame);

		CHECK(sim_link_write(&rig.link, frame, len));
	}
	sim_link_run(&rig.link, 0);
	acks = sim_link_readable(&rig.link, 0);
	CHECK(acks == 8 * 16);
	CHECK(talk(&rig, frame, block_frame(0x08020200, 64, 0x55, frame), rx, sizeof(rx)) ==
	      160 - 16);
	rig_close(&rig);
}

static size_t answered_reads(unsigned outstanding)
{
	uint8_t frame[KF_KATAPULT_FRAME_MAX];
	struct rig rig;
	size_t got;

	rig_open(&rig, "stm32h723xx", 0x08020000, 64, false);
	for (uint32_t i = 0; i < outstanding; i++)
		CHECK(sim_link_write(&rig.link, frame, read_frame(0x08020000 + i * 64, frame)));
	sim_link_run(&rig.link, 0);
	got = sim_link_readable(&rig.link, 0);
	rig_close(&rig);
	CHECK(got % 80 == 0);
	return got / 80;
}

TEST(many_outstanding_reads_lose_replies)
{
	CHECK(answered_reads(2) == 2);
	CHECK(answered_reads(8) == 8);
	CHECK(answered_reads(16) < 16);
	CHECK(answered_reads(16) > 8);
}

/* Nobody collects while a write keeps the CPU: what then waits does not fit. */
TEST(reads_behind_a_slow_write_fit_twice)
{
	uint8_t frame[KF_KATAPULT_FRAME_MAX];
	struct rig rig;

	rig_open(&rig, "stm32h723xx", 0x08020000, 64, false);
	rig.link.open = false;
	for (uint32_t i = 0; i < 3; i++)
		CHECK(sim_link_write(&rig.link, frame, read_frame(0x08020000, frame)));
	sim_link_run(&rig.link, 0);
	rig.link.open = true;
	sim_link_run(&rig.link, 0);
	CHECK(sim_link_readable(&rig.link, 0) == 2 * 80);
	rig_close(&rig);
}

TEST(double_buffered_usb_has_to_be_primed)
{
	uint8_t rx[256], frame[KF_KATAPULT_FRAME_MAX];
	size_t len = kf_katapult_frame_encode(0x90, NULL, 0, frame);
	struct rig rig;

	rig_open(&rig, "stm32g0b1xx", 0x08002000, 64, false);
	rig.link.prime = true;
	CHECK(talk(&rig, frame, len, rx, sizeof(rx)) == 0);
	len = kf_katapult_frame_encode(KF_KATAPULT_CONNECT, NULL, 0, frame);
	CHECK(talk(&rig, frame, len, rx, sizeof(rx)) == 8 + 60);
	CHECK(talk(&rig, frame, len, rx, sizeof(rx)) == 60);
	rig_close(&rig);
}

TEST(an_old_bootloader_tells_no_version)
{
	uint8_t rx[256], frame[KF_KATAPULT_FRAME_MAX];
	size_t len = kf_katapult_frame_encode(KF_KATAPULT_CONNECT, NULL, 0, frame);
	struct rig rig;

	rig_open(&rig, "rp2040", 0x10004000, 64, false);
	rig.katapult.version[0] = '\0';
	CHECK(talk(&rig, frame, len, rx, sizeof(rx)) == 8 + 16 + 8);
	CHECK(kf_get_le32(rx + 8) == 0x00010000);
	rig_close(&rig);
}

TEST(larger_blocks)
{
	static const uint32_t sizes[] = { 128, 256, 512 };
	uint8_t rx[1024], frame[KF_KATAPULT_FRAME_MAX];

	for (size_t i = 0; i < 3; i++) {
		struct rig rig;

		rig_open(&rig, "stm32f446xx", 0x08008000, sizes[i], false);
		CHECK(talk(&rig, frame, block_frame(0x08008000, sizes[i], 0x5a, frame), rx,
			   sizeof(rx)) == 16);
		CHECK(talk(&rig, frame, read_frame(0x08008000, frame), rx, sizeof(rx)) ==
		      sizes[i] + 16);
		CHECK(rx[12] == 0x5a && rx[11 + sizes[i]] == 0x5a);
		rig_close(&rig);
	}
}

TEST(an_erase_takes_its_time)
{
	uint8_t rx[256], frame[KF_KATAPULT_FRAME_MAX];
	struct rig rig;

	rig_open(&rig, "stm32h723xx", 0x08020000, 64, false);
	rig.flash.data[0x20000] = 0;
	rig.flash.erase_ms = 1000;
	CHECK(talk(&rig, frame, block_frame(0x08020000, 64, 1, frame), rx, sizeof(rx)) == 0);
	CHECK(sim_link_wake_us(&rig.link, 0) == 1000000);
	sim_link_run(&rig.link, 999999);
	CHECK(sim_link_readable(&rig.link, 999999) == 0);
	sim_link_run(&rig.link, 1000000);
	CHECK(sim_link_readable(&rig.link, 1000000) == 16);
	rig_close(&rig);
}

TEST(past_the_end_the_cpu_is_gone)
{
	uint8_t rx[256], frame[KF_KATAPULT_FRAME_MAX];
	struct rig rig;

	rig_open(&rig, "stm32h723xx", 0x08020000, 64, false);
	CHECK(talk(&rig, frame, block_frame(0x08100000, 64, 1, frame), rx, sizeof(rx)) == 0);
	CHECK(talk(&rig, frame, read_frame(0x08020000, frame), rx, sizeof(rx)) == 0);
	rig_close(&rig);
}

TEST(rp2040_collects_pages)
{
	uint8_t rx[256], frame[KF_KATAPULT_FRAME_MAX];
	struct rig rig;

	rig_open(&rig, "rp2040", 0x10004000, 64, false);
	memset(rig.flash.data + 0x4000, 0, 0x1000);
	talk(&rig, frame, block_frame(0x10004000, 64, 7, frame), rx, sizeof(rx));
	CHECK(rig.flash.data[0x4000] == 0 && rig.flash.erases == 0);
	talk(&rig, frame, block_frame(0x10004100, 64, 7, frame), rx, sizeof(rx));
	CHECK(rig.flash.data[0x4000] == 7 && rig.flash.data[0x4040] == 0xff);
	CHECK(rig.flash.erases == 1 && rig.flash.data[0x4fff] == 0xff);
	CHECK(talk(&rig, frame, kf_katapult_frame_encode(KF_KATAPULT_EOF, NULL, 0, frame), rx,
		   sizeof(rx)) == 16);
	CHECK(kf_get_le32(rx + 8) == 2 && rig.flash.data[0x4100] == 7);
	rig_close(&rig);
}

static bool takes(struct rig *rig, uint32_t address, uint8_t byte)
{
	uint8_t rx[256], frame[KF_KATAPULT_FRAME_MAX];

	talk(rig, frame, block_frame(address, 64, byte, frame), rx, sizeof(rx));
	return rx[2] == KF_KATAPULT_ACK;
}

/* src/lpc176x/flash.c: a page of 256 bytes is begun only where the one before it is whole. */
TEST(lpc176x_collects_pages_in_order)
{
	uint8_t rx[256], frame[KF_KATAPULT_FRAME_MAX];
	size_t eof = kf_katapult_frame_encode(KF_KATAPULT_EOF, NULL, 0, frame);
	struct rig rig;

	rig_open(&rig, "lpc1768", 0x4000, 64, false);
	memset(rig.flash.data + 0x4000, 0, 0x2000);
	for (uint32_t at = 0; at < 192; at += 64)
		CHECK(takes(&rig, 0x4000 + at, 7));
	CHECK(!takes(&rig, 0x5000, 7) && rig.flash.erases == 0);
	CHECK(takes(&rig, 0x40c0, 7) && rig.flash.erases == 1);
	CHECK(rig.flash.data[0x40ff] == 7 && rig.flash.data[0x4100] == 0xff);
	CHECK(takes(&rig, 0x5000, 9) && rig.flash.data[0x5000] == 0);
	CHECK(talk(&rig, frame, eof, rx, sizeof(rx)) == 16 && kf_get_le32(rx + 8) == 2);
	CHECK(rig.flash.data[0x5000] == 9 && rig.flash.data[0x5040] == 0xff);
	CHECK(!takes(&rig, 0x4000, 7) && takes(&rig, 0x5040, 9));
	rig_close(&rig);
}

TEST_MAIN(T(recorded_scenarios), T(one_frame_a_write_does_not),
	  T(many_outstanding_reads_lose_replies), T(reads_behind_a_slow_write_fit_twice),
	  T(double_buffered_usb_has_to_be_primed), T(an_old_bootloader_tells_no_version),
	  T(larger_blocks), T(an_erase_takes_its_time), T(past_the_end_the_cpu_is_gone),
	  T(rp2040_collects_pages), T(lpc176x_collects_pages_in_order))
