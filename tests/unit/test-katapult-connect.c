/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Katapult's CONNECT: right, wrong, late and split answers. */
#include "unit/katapult-talk.h"

static void be_silent(int board)
{
	int asked = 0;

	while (take_command(board, KF_KATAPULT_CONNECT))
		asked++;
	CHECK(asked == 2); /* at once, and after 0.1 s */
}

TEST(silence_is_asked_again_until_the_deadline)
{
	struct talk t;
	int64_t begin = kf_now_ms();

	CHECK(talk_connect(&t, be_silent, 300) == -ETIMEDOUT);
	CHECK(kf_now_ms() - begin >= 300);
	CHECK(t.err.code == KF_TIMEOUT);
	CHECK_STR(t.err.message, "CONNECT: no answer in time");
	CHECK(strstr(t.err.hint, "power-cycle") != NULL);
	talk_end(&t);
}

static void withhold_64_bytes(int board)
{
	const struct greeting g =
		GREETING(0x10100, START, 64, "stm32f042x6\0\0\0\0\0v0.0.1-109-g902f335-dir\0");
	uint8_t frame[KF_KATAPULT_FRAME_MAX], both[128];

	CHECK(greeting_encode(&g, frame) == 64);
	memcpy(both, frame, 64);
	memcpy(both + 64, frame, 64);
	CHECK(take_command(board, KF_KATAPULT_CONNECT));
	CHECK(take_command(board, KF_KATAPULT_CONNECT)); /* only now does the first one arrive */
	put(board, both, sizeof(both));
	CHECK(take_command(board, KF_KATAPULT_SEND_BLOCK));
	ack_words(board, KF_KATAPULT_SEND_BLOCK, START, 8);
	CHECK(take_command(board, KF_KATAPULT_EOF));
	ack_words(board, KF_KATAPULT_EOF, 1, 8);
}

TEST(an_answer_of_64_bytes_comes_when_asked_again)
{
	struct talk t;

	CHECK(talk_write(&t, withhold_64_bytes, LONG_MS, 64) == 0);
	CHECK_STR(t.k.mcu, "stm32f042x6");
	CHECK_STR(t.k.version, "v0.0.1-109-g902f335-dir");
	talk_end(&t);
}

static void answer_twice_late(int board)
{
	greet_plainly(board);
	CHECK(take_command(board, KF_KATAPULT_COMPLETE));
	greet(board, &GREETING_PLAIN);
	ack_words(board, KF_KATAPULT_COMPLETE, 0, 4);
	CHECK(take_command(board, KF_KATAPULT_COMPLETE));
	greet(board, &GREETING_PLAIN); /* more often than asked, that is no duplicate */
}

TEST(late_answers_to_connect_are_dropped)
{
	struct talk t;

	talk_begin(&t, answer_twice_late, LONG_MS);
	talk_over_usb(&t);
	CHECK(kf_katapult_connect(&t.k, &t.err) == 0);
	CHECK(kf_katapult_complete(&t.k, &t.err) == 0);
	CHECK(kf_katapult_complete(&t.k, &t.err) == -EPROTO);
	CHECK_STR(t.err.message, "COMPLETE: want ACK of COMPLETE, got ACK of 0x11");
	talk_end(&t);
}

static void answer_an_earlier_program(int board)
{
	greet_plainly(board);
	CHECK(take_command(board, KF_KATAPULT_COMPLETE));
	for (int i = 0; i < 4; i++)
		greet(board, &GREETING_PLAIN);
	ack_words(board, KF_KATAPULT_COMPLETE, 0, 4);
}

TEST(answers_to_a_killed_programs_connect_are_dropped_without_usb)
{
	struct talk t;

	CHECK(talk_connect(&t, answer_an_earlier_program, LONG_MS) == 0);
	CHECK(kf_katapult_complete(&t.k, &t.err) == 0);
	talk_end(&t);
}

static void split_everywhere(int board)
{
	uint8_t frame[KF_KATAPULT_FRAME_MAX];
	size_t len = greeting_encode(&GREETING_PLAIN, frame);

	for (size_t at = 1; at < len; at++) {
		CHECK(take_command(board, KF_KATAPULT_CONNECT));
		put(board, frame, at);
		put(board, frame + at, len - at);
	}
	CHECK(take_command(board, KF_KATAPULT_CONNECT));
	for (size_t i = 0; i < len; i++)
		put(board, frame + i, 1);
}

TEST(an_answer_may_come_in_any_pieces)
{
	uint8_t frame[KF_KATAPULT_FRAME_MAX];
	size_t len = greeting_encode(&GREETING_PLAIN, frame);
	struct talk t;

	talk_begin(&t, split_everywhere, LONG_MS);
	for (size_t at = 1; at <= len; at++)
		CHECK(kf_katapult_connect(&t.k, &t.err) == 0);
	talk_end(&t);
}

static void leave_in_the_middle_of_an_answer(int board)
{
	uint8_t frame[KF_KATAPULT_FRAME_MAX];

	greeting_encode(&GREETING_PLAIN, frame);
	CHECK(take_command(board, KF_KATAPULT_CONNECT));
	put(board, frame, 30);
}

TEST(a_board_that_leaves_is_noticed_at_once)
{
	struct talk t;

	CHECK(talk_connect(&t, leave_in_the_middle_of_an_answer, KF_FOREVER / 2) == -ENODEV);
	CHECK(t.err.code == KF_GONE);
	CHECK_STR(t.err.message, "CONNECT: the board was disconnected meanwhile");
	talk_end(&t);
}

static void say_garbage_first(int board)
{
	/* Half a frame, then something that looks like the beginning of a long one. */
	static const uint8_t garbage[] = { 0xa0, 0x0d, 0x01, 0x77, 0x01, 0x88, 0xa0, 0xff, 0x11 };

	CHECK(take_command(board, KF_KATAPULT_CONNECT));
	put(board, garbage, sizeof(garbage));
	greet(board, &GREETING_PLAIN);
	CHECK(take_command(board, KF_KATAPULT_COMPLETE)); /* was found without another question */
}

TEST(garbage_before_the_answer_is_skipped)
{
	struct talk t;

	CHECK(talk_connect(&t, say_garbage_first, LONG_MS) == 0);
	CHECK(kf_katapult_complete(&t.k, &t.err) == 0);
	CHECK_STR(t.k.mcu, "rp2040");
	talk_end(&t);
}

static void answer_an_earlier_conversation(int board)
{
	CHECK(take_command(board, KF_KATAPULT_CONNECT));
	say(board, KF_KATAPULT_NACK, NULL, 0);
	say(board, KF_KATAPULT_COMMAND_ERROR, NULL, 0);
	ack_words(board, KF_KATAPULT_SEND_BLOCK, START, 8);
	greet(board, &GREETING_PLAIN);
}

TEST(answers_to_somebody_before_us_are_dropped)
{
	struct talk t;

	CHECK(talk_connect(&t, answer_an_earlier_conversation, LONG_MS) == 0);
	talk_end(&t);
}

static void be_busy_once(int board)
{
	CHECK(take_command(board, KF_KATAPULT_CONNECT));
	say(board, KF_KATAPULT_BUSY, NULL, 0);
	greet_plainly(board);
}

TEST(a_busy_bootloader_is_asked_to_connect_again)
{
	struct talk t;

	CHECK(talk_connect(&t, be_busy_once, LONG_MS) == 0);
	talk_end(&t);
}

static void be_wedged(int board)
{
	CHECK(take_command(board, KF_KATAPULT_CONNECT));
	say(board, KF_KATAPULT_NACK, NULL, 0);
	while (take_command(board, KF_KATAPULT_CONNECT))
		;
}

static void be_klipper(int board)
{
	static const uint8_t nak[] = { 0x05, 0x10, 0x26, 0x6b, 0x7e };

	while (take_command(board, KF_KATAPULT_CONNECT))
		put(board, nak, sizeof(nak));
}

static void flood(int board)
{
	static const uint8_t junk[1024] = { 0x55 };

	take_command(board, KF_KATAPULT_CONNECT);
	while (send(board, junk, sizeof(junk), MSG_NOSIGNAL) > 0)
		;
}

TEST(a_wedged_katapult_and_other_programs_are_told_apart)
{
	struct talk t;
	int64_t begin;

	CHECK(talk_connect(&t, be_wedged, 300) == -EPROTO);
	CHECK_STR(t.err.message, "CONNECT: the bootloader accepts no more commands (NACK)");
	CHECK(strstr(t.err.hint, "power-cycle") != NULL);
	talk_end(&t);
	CHECK(talk_connect(&t, be_klipper, 300) == -EPROTO);
	CHECK_STR(t.err.message, "CONNECT: the answer is not from Katapult");
	talk_end(&t);
	begin = kf_now_ms();
	CHECK(talk_connect(&t, flood, KF_FOREVER / 2) == -EPROTO);
	CHECK(kf_now_ms() - begin < 4000); /* silence would be waited for longer */
	CHECK_STR(t.err.message, "CONNECT: the answer is not from Katapult");
	talk_end(&t);
}

static void refuse_greeting(struct greeting g, const char *want)
{
	struct talk t;

	greeting = g;
	CHECK(talk_connect(&t, greet_so, LONG_MS) == -EPROTO);
	CHECK(strstr(t.err.message, want) != NULL);
	CHECK(t.k.block_bytes == 0 && t.k.mcu[0] == 0);
	talk_end(&t);
}

TEST(impossible_answers_to_connect_are_refused)
{
	refuse_greeting(GREETING(0x10100, START, 32, "rp2040\0\0"), "block size of 32 bytes");
	refuse_greeting(GREETING(0x10100, START, 1024, "rp2040\0\0"), "block size of 1024 bytes");
	refuse_greeting(GREETING(0x10100, START, 0, "rp2040\0\0"), "block size of 0 bytes");
	refuse_greeting(GREETING(0x20000, START, 64, "rp2040\0\0"), "protocol 2.0.0");
	refuse_greeting(GREETING(0x10100, START + 4, 64, "rp2040\0\0"),
			"is not the start of a block");
	refuse_greeting(GREETING(0x10100, START, 64, ""), "names no MCU");
	refuse_greeting(GREETING(0x10100, START, 64, "\0\0\0\0v1\0\0"), "names no MCU");
}

static void accept_greeting(struct greeting g, const char *mcu, const char *version)
{
	struct talk t;

	greeting = g;
	CHECK(talk_connect(&t, greet_so, LONG_MS) == 0);
	CHECK_STR(t.k.mcu, mcu);
	CHECK_STR(t.k.version, version);
	talk_end(&t);
}

TEST(strings_of_the_board_are_told_apart_and_cleaned)
{
#define M16 "mmmmmmmmmmmmmmmm"
	accept_greeting(GREETING_PLAIN, "rp2040", "v1");
	/* Bootloaders of protocol 1.0 send no version, and no NUL after a multiple of 4. */
	accept_greeting(GREETING(0x10000, START, 64, "rp2040\0\0"), "rp2040", "");
	accept_greeting(GREETING(0x10000, START, 64, "stm32f103xeq"), "stm32f103xeq", "");
	accept_greeting(GREETING(0x10100, START, 64, "a\33[2J\nb\xff\0\0\0\0v\r1\x9b"), "a?[2J?b?",
			"v?1?");
	accept_greeting(GREETING(0x10100, START, 64, M16 M16 M16 M16 M16),
			M16 M16 M16 "mmmmmmmmmmmmmmm", "");
}

TEST_MAIN(T(silence_is_asked_again_until_the_deadline),
	  T(an_answer_of_64_bytes_comes_when_asked_again), T(late_answers_to_connect_are_dropped),
	  T(answers_to_a_killed_programs_connect_are_dropped_without_usb),
	  T(an_answer_may_come_in_any_pieces), T(a_board_that_leaves_is_noticed_at_once),
	  T(garbage_before_the_answer_is_skipped), T(answers_to_somebody_before_us_are_dropped),
	  T(a_busy_bootloader_is_asked_to_connect_again),
	  T(a_wedged_katapult_and_other_programs_are_told_apart),
	  T(impossible_answers_to_connect_are_refused),
	  T(strings_of_the_board_are_told_apart_and_cleaned))
