/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The order of the blocks, against the simulated board: after each block, is the power cut, and
 * what starts when it is back? The same where the writer is stopped, and where an answer is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/process.h"
#include "katapult/pages.h"
#include "katapult/session.h"
#include "sim/board.h"
#include "unit/test.h"

#define VERSION "v9.9-1-gfedcba98"

static struct sim_board board, after;
static uint8_t *image;
static size_t image_len;

/* Counts the cuts that end in Katapult, in the old firmware, in none. */
struct cuts {
	size_t blocks;	    /* that were sent */
	size_t old;	    /* nothing is written yet: it runs what it ran */
	size_t katapult;    /* in a row after these */
	size_t dead, whole; /* and after those */
	bool odd;	    /* in another order */
};

static int64_t now_us(void)
{
	return kf_now_ms() * 1000;
}

static void plug(const char *text, size_t len)
{
	struct sim_spec spec;

	CHECK(sim_spec_parse(text, &spec, NULL) == 0);
	CHECK(sim_board_init(&board, &spec, NULL) == 0);
	/* Old and new image differ in every block; the old one is as long. */
	image_len = len;
	image = malloc(len);
	for (size_t i = 0; i < len; i++)
		image[i] = (uint8_t)(i * 7 + i / 64 + 1);
	for (size_t i = 1024; i < len; i++)
		board.flash.data[spec.start - board.flash.base + i] = (uint8_t)~image[i];
	CHECK(sim_flash_init(&after.flash, spec.mcu, 0, NULL) == 0);
	CHECK(sim_firmware_make(&after.flash, spec.start, "Klipper", spec.mcu, VERSION, NULL) == 0);
	memcpy(image, after.flash.data + (spec.start - after.flash.base), 1024);
	sim_flash_free(&after.flash);
	CHECK(sim_board_init(&after, &spec, NULL) == 0);
	sim_board_close(&board, true, now_us());
	while (board.mode != KF_MODE_KATAPULT)
		sim_board_run(&board, board.appear_us);
	sim_board_open(&board, 0);
}

static void unplug(void)
{
	sim_board_free(&board);
	sim_board_free(&after);
	free(image);
}

/* The power is cut now, and comes back. */
static enum kf_mode cut(void)
{
	memcpy(after.flash.data, board.flash.data, board.flash.size);
	after.flash.incomplete = board.flash.incomplete;
	sim_board_unplug(&after);
	sim_board_plug(&after, SIM_BUTTON_NONE, now_us());
	sim_board_run(&after, now_us());
	return after.mode;
}

static void count_cut(struct cuts *cuts)
{
	enum kf_mode mode = cut();
	bool runs_new = mode == KF_MODE_KLIPPER && strcmp(after.firmware.version, VERSION) == 0;

	cuts->blocks++;
	if (mode == KF_MODE_KATAPULT) {
		cuts->odd = cuts->odd || cuts->dead || cuts->whole;
		cuts->katapult++;
	} else if (mode == KF_MODE_NONE) {
		cuts->odd = cuts->odd || cuts->whole;
		cuts->dead++;
	} else if (runs_new) {
		cuts->whole++;
	} else {
		cuts->odd = cuts->odd || cuts->katapult || cuts->dead || cuts->whole;
		cuts->old++;
	}
}

/* The writer: a conversation of its own, as lib/flash has it. Its status is 0 or the errno. */
static void converse(int fd, bool usb)
{
	struct kf_link link;
	struct kf_katapult k = { .link = &link, .deadline_ms = kf_now_ms() + 20000 };
	struct kf_error err = { 0 };
	int r;

	kf_link_from_fd(fd, usb, &link);
	kf_stop_install();
	r = kf_katapult_connect(&k, &err);
	if (r == 0)
		r = kf_katapult_finish(&k, &err);
	if (r == 0)
		r = kf_katapult_write(&k, image, image_len, NULL, NULL, &err);
	if (r == 0)
		r = kf_katapult_verify(&k, image, image_len, NULL, NULL, &err);
	if (r < 0 && r != -EINTR)
		printf("# %s\n", err.message);
	fflush(stdout);
	_exit(-r);
}

static bool is_block(const uint8_t *frame, ssize_t len)
{
	return len > 4 && frame[2] == KF_KATAPULT_SEND_BLOCK;
}

static void answer(int fd)
{
	uint8_t bytes[sizeof(board.link.in)];
	size_t len = sim_link_readable(&board.link, now_us());

	if (len == 0)
		return;
	memcpy(bytes, board.link.in, len);
	sim_link_drop(&board.link, len);
	CHECK(write(fd, bytes, len) == (ssize_t)len);
}

/*
 * Write the image to the board. After stop_at blocks the writer gets SIGINT, unless it is 0; cuts
 * may be NULL. Returns the writer's errno.
 */
static int flash(bool usb, size_t stop_at, struct cuts *cuts)
{
	uint8_t frame[KF_KATAPULT_FRAME_MAX];
	size_t blocks = 0;
	int fds[2], status;
	ssize_t got;
	pid_t pid;

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		fcntl(fds[0], F_SETFL, O_NONBLOCK);
		converse(fds[0], usb);
	}
	close(fds[0]);
	while ((got = read(fds[1], frame, sizeof(frame))) > 0) {
		CHECK(sim_board_write(&board, frame, (size_t)got, now_us()));
		sim_board_run(&board, now_us());
		blocks += is_block(frame, got);
		if (is_block(frame, got) && cuts)
			count_cut(cuts);
		if (stop_at && is_block(frame, got) && blocks == stop_at)
			CHECK(kf_process_signal(pid, SIGINT) == 0);
		answer(fds[1]);
	}
	close(fds[1]);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool holds_image(void)
{
	return memcmp(board.flash.data + (board.spec.start - board.flash.base), image, image_len) ==
	       0;
}

static unsigned pages(void)
{
	uint32_t at = board.spec.start, end = at + (uint32_t)image_len;
	unsigned n = 0;

	for (; at < end; at += sim_flash_page_bytes(&board.flash, at))
		n++;
	return n;
}

/* Images end inside of a block, and inside of the LPC176x's 256 bytes. */
static const struct {
	const char *spec;
	size_t len, first; /* the image's, and the first page's, in bytes */
	size_t late;	   /* so many blocks are collected before they are written */
} boards[] = {
	{ "mcu=stm32f446xx", 44500, 16384, 0 },
	{ "mcu=stm32f407xx,start=0x08010000", 70100, 65536, 0 },
	{ "mcu=stm32f103xe", 20010, 2048, 0 },
	{ "mcu=stm32f103xe,flash=512K", 20010, 2048, 0 },
	{ "mcu=stm32f072xb", 20010, 2048, 0 },
	{ "mcu=stm32f042x6", 9010, 2048, 0 },
	{ "mcu=stm32g0b1xx", 30010, 2048, 0 },
	{ "mcu=stm32h743xx,block=512", 140010, 131072, 0 },
	{ "mcu=rp2040", 30010, 4096, 1 },
	{ "mcu=rp2040,block=256", 30010, 4096, 1 },
	{ "mcu=lpc1768", 30010, 4096, 3 },
	{ "mcu=lpc1768,start=0x10000", 40010, 32768, 3 },
	{ "mcu=lpc1768,block=256", 30010, 4096, 0 },
	{ "mcu=stm32f446xx,block=512", 16385, 16384, 0 },
	{ "mcu=stm32f446xx", 16385, 16384, 0 },
	{ "mcu=lpc1768", 4097, 4096, 3 },
};

TEST(a_cut_at_every_block_ends_in_katapult_but_for_the_first_page)
{
	for (size_t i = 0; i < KF_ARRAY_SIZE(boards); i++) {
		struct cuts cuts = { 0 };
		size_t first;

		plug(boards[i].spec, boards[i].len);
		first = boards[i].first / board.spec.block_bytes;
		CHECK(flash(i % 2, 0, &cuts) == 0);
		CHECK(holds_image());
		printf("# %s: %zu blocks: %zu old, %zu katapult, %zu dead, %zu whole\n",
		       boards[i].spec, cuts.blocks, cuts.old, cuts.katapult, cuts.dead, cuts.whole);
		/* The price: the first one is erased twice. */
		CHECK(board.flash.erases == pages() + 1);
		CHECK(!cuts.odd && cuts.whole == 0 && cuts.old == boards[i].late);
		CHECK(cuts.dead <= first && cuts.katapult >= cuts.blocks - first - cuts.old);
		unplug();
	}
}

/* Nothing is struck out: the erase would be for nothing, or the pages are not known. */
TEST(one_page_and_unknown_pages_are_written_as_they_lie)
{
	static const struct {
		const char *spec;
		size_t len;
	} plain[] = {
		{ "mcu=stm32h723xx", 44500 },
		{ "mcu=stm32f446xx", 16384 },
		{ "mcu=rp2040", 4096 },
	};

	for (size_t i = 0; i < KF_ARRAY_SIZE(plain); i++) {
		struct cuts cuts = { 0 };

		plug(plain[i].spec, plain[i].len);
		CHECK(flash(true, 0, &cuts) == 0);
		CHECK(holds_image() && !cuts.odd);
		CHECK(cuts.blocks == (plain[i].len + 63) / 64 && cuts.katapult == 0);
		unplug();
	}
}

/* Also the LPC176x, which refuses another address in the middle of 256 bytes. */
TEST(after_a_stop_at_any_block_the_next_conversation_succeeds)
{
	for (size_t i = 0; i < KF_ARRAY_SIZE(boards); i += 5) {
		plug(boards[i].spec, boards[i].len);
		for (size_t at = 1; at < 60; at += 7) {
			CHECK(flash(true, at, NULL) == EINTR);
			CHECK(flash(at % 2, 0, NULL) == 0);
			CHECK(holds_image());
		}
		unplug();
	}
}

/* A lost answer is seen by the next one's, and all starts over. */
TEST(a_lost_answer_starts_over_from_the_first_block)
{
	static const size_t places[] = { 0, 1, 8, 9, 10 };

	for (size_t i = 0; i < KF_ARRAY_SIZE(places); i++) {
		char at[32];

		plug(boards[places[i]].spec, boards[places[i]].len);
		snprintf(at, sizeof(at), "rx:%zu", 60 + i);
		CHECK(sim_faults_add(&board.spec.faults, "drop", at, NULL) == 0);
		CHECK(flash(true, 0, NULL) == 0);
		CHECK(holds_image());
		unplug();
	}
}

TEST(a_page_is_known_by_the_family_and_the_start)
{
	CHECK(kf_katapult_pages_find("stm32f446xx", 0x0800c000).first_bytes == 16384);
	CHECK(kf_katapult_pages_find("stm32f446xx", 0x08010000).first_bytes == 65536);
	CHECK(kf_katapult_pages_find("stm32f446xx", 0x08020000).first_bytes == 131072);
	CHECK(kf_katapult_pages_find("stm32f446xx", 0x08018000).first_bytes == 0);
	CHECK(kf_katapult_pages_find("STM32G431xx", 0x08002000).first_bytes == 2048);
	CHECK(kf_katapult_pages_find("lpc1769", 0x4000).unit_bytes == 256);
	CHECK(kf_katapult_pages_find("lpc1769", 0x10000).first_bytes == 32768);
	CHECK(kf_katapult_pages_find("stm32l412xx", 0x0800a000).first_bytes == 0);
	CHECK(kf_katapult_pages_find("", 0).first_bytes == 0);
}

TEST_MAIN(T(a_cut_at_every_block_ends_in_katapult_but_for_the_first_page),
	  T(one_page_and_unknown_pages_are_written_as_they_lie),
	  T(after_a_stop_at_any_block_the_next_conversation_succeeds),
	  T(a_lost_answer_starts_over_from_the_first_block),
	  T(a_page_is_known_by_the_family_and_the_start))
