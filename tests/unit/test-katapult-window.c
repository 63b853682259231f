/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Several requests in flight, with the simulated bootloader: its buffers drop and wedge as the
 * real one's do. The socket between keeps packets apart, as cdc_acm does.
 */
#include <time.h>

#include "katapult/session.h"
#include "sim/katapult.h"
#include "sim/link.h"
#include "unit/katapult-talk.h"

#define IMAGE_BYTES 12800 /* 200 blocks of 64 */

/* The board, and what it saw; set up before its thread starts, looked at after its end. */
static struct {
	struct sim_flash flash;
	struct sim_katapult katapult;
	struct sim_link link;
	struct sim_faults faults;
	bool bursts; /* it answers only when nothing is asked for a while, as while the flash is
			busy */
	uint8_t image[IMAGE_BYTES];
} rig;

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void rig_open(uint32_t block_bytes, uint32_t rtt_us)
{
	memset(&rig, 0, sizeof(rig));
	CHECK(sim_flash_init(&rig.flash, "stm32h723xx", 0, NULL) == 0);
	strcpy(rig.katapult.name, "stm32h723xx");
	strcpy(rig.katapult.version, "v0.0.1-109-g902f335");
	rig.katapult.flash = &rig.flash;
	rig.katapult.start = START;
	rig.katapult.block_bytes = block_bytes;
	sim_katapult_init(&rig.katapult, SIM_WIRE_USB);
	rig.katapult.mcu.tx_size = 192; /* whatever the blocks: no build has more */
	rig.katapult.mcu.faults = &rig.faults;
	sim_link_reset(&rig.link, &rig.katapult.mcu, false);
	rig.link.open = true;
	rig.link.latency_us = rtt_us;
	for (size_t i = 0; i < IMAGE_BYTES; i++)
		rig.image[i] = (uint8_t)(i * 7 + i / 256);
}

static void take_transfer(const uint8_t *data, size_t len)
{
	uint8_t busy[KF_KATAPULT_FRAME_MAX];

	switch (sim_faults_next(&rig.faults, SIM_TO_BOARD, false)) {
	case SIM_FAULT_DROP:
		break;
	case SIM_FAULT_F3:
		sim_mcu_reply(&rig.katapult.mcu, busy,
			      kf_katapult_frame_encode(KF_KATAPULT_BUSY, NULL, 0, busy));
		break;
	default:
		CHECK(sim_link_write(&rig.link, data, len));
	}
}

/* Until the host leaves. A write(2) that is not one whole frame would wedge it, so it shows. */
static void be_board(int board)
{
	uint8_t in[SIM_TRANSFER_MAX];
	struct pollfd pfd = { .fd = board, .events = POLLIN };
	struct timespec ts;
	int64_t left_us;
	ssize_t got;
	size_t ready;
	int n;

	for (;;) {
		left_us = sim_link_wake_us(&rig.link, now_us());
		left_us = left_us == SIM_NEVER ? 1000000 : left_us - now_us();
		ts = (struct timespec){ 0, left_us > 0 ? left_us % 1000000 * 1000 : 0 };
		if (rig.bursts)
			ts = (struct timespec){ 0, 2000000 };
		n = ppoll(&pfd, 1, &ts, NULL);
		rig.link.open = !rig.bursts || n == 0;
		if (n > 0) {
			got = read(board, in, sizeof(in));
			if (got <= 0)
				break;
			take_transfer(in, (size_t)got);
		}
		sim_link_run(&rig.link, now_us());
		ready = sim_link_readable(&rig.link, now_us());
		if (ready > 0 && send(board, rig.link.in, ready, MSG_NOSIGNAL) < 0)
			break;
		sim_link_drop(&rig.link, ready);
	}
}

static void rig_close(struct talk *t)
{
	talk_end(t);
	sim_flash_free(&rig.flash);
}

static bool holds_image(size_t len)
{
	return memcmp(rig.flash.data + (START - rig.flash.base), rig.image, len) == 0;
}

struct times {
	int64_t write_us, read_us;
};

static void measure(bool usb, struct times *best)
{
	int64_t begin, written, end;
	struct talk t;

	rig_open(64, 1000);
	CHECK(talk_connect(&t, be_board, LONG_MS) == 0);
	if (usb)
		talk_over_usb(&t);
	begin = now_us();
	CHECK(kf_katapult_write(&t.k, rig.image, IMAGE_BYTES, NULL, NULL, &t.err) == 0);
	written = now_us();
	CHECK(kf_katapult_verify(&t.k, rig.image, IMAGE_BYTES, NULL, NULL, &t.err) == 0);
	end = now_us();
	CHECK(holds_image(IMAGE_BYTES));
	if (!best->write_us || written - begin < best->write_us)
		best->write_us = written - begin;
	if (!best->read_us || end - written < best->read_us)
		best->read_us = end - written;
	rig_close(&t);
}

static bool is_faster(const struct times *one, const struct times *window)
{
	return window->write_us * 4 <= one->write_us && window->read_us * 18 <= one->read_us * 10;
}

TEST(a_window_hides_the_round_trip)
{
	struct times one = { 0 }, window = { 0 };

	/* Other work of this machine only adds: the least counts. */
	for (int i = 0; i == 0 || (i < 20 && !is_faster(&one, &window)); i++) {
		measure(false, &one);
		measure(true, &window);
	}
	printf("# 200 blocks at 1 ms: write %lld us in lockstep, %lld us windowed; "
	       "read back %lld us, %lld us\n",
	       (long long)one.write_us, (long long)window.write_us, (long long)one.read_us,
	       (long long)window.read_us);
	CHECK(is_faster(&one, &window));
}

/* The host takes nothing for a while: are all answers kept that a window may ask for? */
static size_t answers_kept(uint8_t command, uint32_t block_bytes, size_t count)
{
	uint8_t payload[4 + 512], frame[KF_KATAPULT_FRAME_MAX];
	size_t len = command == KF_KATAPULT_SEND_BLOCK ? 4 + block_bytes : 4, answer, got;

	rig_open(block_bytes, 0);
	answer = 16 + (command == KF_KATAPULT_SEND_BLOCK ? 0 : block_bytes);
	rig.link.open = false;
	for (size_t i = 0; i < count; i++) {
		memset(payload, 0x5a, sizeof(payload));
		kf_put_le32(payload, START + (uint32_t)i * block_bytes);
		len = kf_katapult_frame_encode(
			command, payload, command == KF_KATAPULT_SEND_BLOCK ? 4 + block_bytes : 4,
			frame);
		CHECK(sim_link_write(&rig.link, frame, len));
		sim_link_run(&rig.link, 0);
	}
	got = rig.katapult.mcu.tx_len / answer;
	sim_flash_free(&rig.flash);
	return got;
}

TEST(a_window_s_answers_fit_the_board_s_buffer)
{
	static const uint8_t commands[] = { KF_KATAPULT_SEND_BLOCK, KF_KATAPULT_REQUEST_BLOCK };
	struct kf_link link;
	struct kf_katapult_channel channel = { .link = &link };

	kf_link_from_fd(-1, true, &link);
	for (uint32_t bytes = 64; bytes <= 128; bytes *= 2) {
		for (size_t i = 0; i < KF_ARRAY_SIZE(commands); i++) {
			size_t window = kf_katapult_window(&channel, bytes, commands[i]);

			CHECK(answers_kept(commands[i], bytes, window) == window);
		}
	}
	CHECK(kf_katapult_window(&channel, 64, KF_KATAPULT_SEND_BLOCK) == 8);
	CHECK(kf_katapult_window(&channel, 64, KF_KATAPULT_REQUEST_BLOCK) == 2);
	CHECK(answers_kept(KF_KATAPULT_REQUEST_BLOCK, 64, 3) == 2);
	CHECK(answers_kept(KF_KATAPULT_SEND_BLOCK, 64, 13) == 12);
	for (uint32_t bytes = 128; bytes <= 512; bytes *= 2)
		CHECK(kf_katapult_window(&channel, bytes, KF_KATAPULT_REQUEST_BLOCK) == 1);
	kf_link_from_fd(-1, false, &link);
	CHECK(kf_katapult_window(&channel, 64, KF_KATAPULT_SEND_BLOCK) == 1);
	CHECK(kf_katapult_window(&channel, 64, KF_KATAPULT_REQUEST_BLOCK) == 1);
}

/* A busy flash answers in bursts: four acknowledgements in one packet must not be waited for. */
TEST(no_number_of_blocks_leaves_the_last_answers_behind)
{
	struct talk t;

	for (size_t blocks = 1; blocks <= 20; blocks++) {
		rig_open(64, 0);
		rig.bursts = true;
		CHECK(talk_connect(&t, be_board, 2000) == 0);
		talk_over_usb(&t);
		CHECK(kf_katapult_write(&t.k, rig.image, blocks * 64, NULL, NULL, &t.err) == 0);
		CHECK(kf_katapult_verify(&t.k, rig.image, blocks * 64, NULL, NULL, &t.err) == 0);
		CHECK(kf_katapult_complete(&t.k, &t.err) == 0);
		CHECK(holds_image(blocks * 64));
		rig_close(&t);
	}
}

TEST(a_slow_erase_in_the_middle_of_a_window_is_waited_for)
{
	struct talk t;

	rig_open(64, 0);
	rig.flash.page_bytes = 4096;
	rig.flash.erase_ms = 40;
	memset(rig.flash.data, 0, rig.flash.size);
	CHECK(talk_connect(&t, be_board, LONG_MS) == 0);
	talk_over_usb(&t);
	CHECK(kf_katapult_write(&t.k, rig.image, IMAGE_BYTES, NULL, NULL, &t.err) == 0);
	CHECK(kf_katapult_verify(&t.k, rig.image, IMAGE_BYTES, NULL, NULL, &t.err) == 0);
	CHECK(rig.flash.erases == 4);
	rig_close(&t);
}

static void with_fault(const char *fault, const char *at)
{
	struct talk t;
	struct kf_error err;

	rig_open(64, 0);
	CHECK(sim_faults_add(&rig.faults, fault, at, &err) == 0);
	CHECK(talk_connect(&t, be_board, LONG_MS) == 0);
	talk_over_usb(&t);
	CHECK(kf_katapult_write(&t.k, rig.image, IMAGE_BYTES, NULL, NULL, &t.err) == 0);
	CHECK(kf_katapult_verify(&t.k, rig.image, IMAGE_BYTES, NULL, NULL, &t.err) == 0);
	CHECK(holds_image(IMAGE_BYTES));
	CHECK(!rig.katapult.nacked);
	rig_close(&t);
}

/* Frames are counted from CONNECT on: of 200 blocks, EOF, 200 blocks read back. */
TEST(a_block_lost_in_a_window_is_sent_again_in_lockstep)
{
	with_fault("drop", "tx:20");
	with_fault("drop", "rx:20");
	with_fault("corrupt", "rx:3");
	with_fault("dup", "rx:20");
	with_fault("f3", "tx:3");
	with_fault("f3", "tx:20");
	with_fault("f3", "tx:300");
	with_fault("drop", "tx:300");
	with_fault("corrupt", "rx:300");
}

TEST(a_difference_leaves_nothing_in_flight)
{
	struct talk t;

	rig_open(64, 1000);
	CHECK(talk_connect(&t, be_board, LONG_MS) == 0);
	talk_over_usb(&t);
	CHECK(kf_katapult_write(&t.k, rig.image, IMAGE_BYTES, NULL, NULL, &t.err) == 0);
	rig.image[64 * 50] ^= 1;
	CHECK(kf_katapult_verify(&t.k, rig.image, IMAGE_BYTES, NULL, NULL, &t.err) == -EIO);
	CHECK(t.err.code == KF_VERIFY_FAILED);
	rig.image[64 * 50] ^= 1;
	CHECK(kf_katapult_write(&t.k, rig.image, IMAGE_BYTES, NULL, NULL, &t.err) == 0);
	CHECK(kf_katapult_verify(&t.k, rig.image, IMAGE_BYTES, NULL, NULL, &t.err) == 0);
	rig_close(&t);
}

TEST_MAIN(T(a_window_hides_the_round_trip), T(a_window_s_answers_fit_the_board_s_buffer),
	  T(no_number_of_blocks_leaves_the_last_answers_behind),
	  T(a_slow_erase_in_the_middle_of_a_window_is_waited_for),
	  T(a_block_lost_in_a_window_is_sent_again_in_lockstep),
	  T(a_difference_leaves_nothing_in_flight))
