/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Katapult's blocks, EOF and COMPLETE: recorded answers, and every wrong one. */
#include <jansson.h>
#include <signal.h>
#include <sys/wait.h>

#include "core/process.h"
#include "unit/katapult-talk.h"

/* Recorded conversations */

static size_t unhex(const char *hex, uint8_t *ret, size_t size)
{
	size_t n = 0;
	unsigned byte;

	for (; n < size && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
		ret[n] = (uint8_t)byte;
	return n;
}

static json_t *recorded; /* the steps of the scenario that is played */

static bool record_load(const char *board, const char *scenario)
{
	FILE *f = fopen("tests/fixtures/katapult.jsonl", "re");
	json_t *line;

	recorded = NULL;
	while (f && !recorded && (line = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL))) {
		if (strcmp(json_string_value(json_object_get(line, "board")), board) == 0 &&
		    strcmp(json_string_value(json_object_get(line, "scenario")), scenario) == 0)
			recorded = json_incref(json_object_get(line, "steps"));
		json_decref(line);
	}
	kf_fclosep(&f);
	CHECK(recorded != NULL);
	return recorded != NULL;
}

static size_t recorded_bytes(size_t step, const char *which, uint8_t ret[KF_KATAPULT_FRAME_MAX])
{
	json_t *obj = json_array_get(recorded, step);

	return unhex(json_string_value(json_object_get(obj, which)), ret, KF_KATAPULT_FRAME_MAX);
}

static void play_record(int board)
{
	uint8_t want[KF_KATAPULT_FRAME_MAX], in[KF_KATAPULT_FRAME_MAX];

	for (size_t i = 0; i < json_array_size(recorded); i++) {
		struct pollfd pfd = { .fd = board, .events = POLLIN };
		size_t len = recorded_bytes(i, "tx", want);

		if (kf_wait(&pfd, 1, kf_now_ms() + LONG_MS) != 1)
			break;
		CHECK(read(board, in, sizeof(in)) == (ssize_t)len);
		CHECK(memcmp(in, want, len) == 0);
		put(board, in, recorded_bytes(i, "rx", in));
	}
}

static void flash_recorded(const char *board, const char *mcu, uint32_t start)
{
	uint8_t data[192], frame[KF_KATAPULT_FRAME_MAX];
	struct talk t;

	if (!record_load(board, "a whole small flash"))
		return;
	memset(data, 0xff, sizeof(data)); /* its third block was never written, but read */
	for (size_t i = 0; i < 2; i++) {
		CHECK(recorded_bytes(1 + i, "tx", frame) == 76);
		memcpy(data + 64 * i, frame + 8, 64);
	}
	CHECK(talk_connect(&t, play_record, LONG_MS) == 0);
	CHECK_STR(t.k.mcu, mcu);
	CHECK_STR(t.k.version, "v0.0.1-109-g902f335");
	CHECK(t.k.start == start && t.k.block_bytes == 64 && t.k.protocol == 0x10100);
	CHECK(kf_katapult_write(&t.k, data, 128, NULL, NULL, &t.err) == 0);
	CHECK(kf_katapult_verify(&t.k, data, sizeof(data), NULL, NULL, &t.err) == 0);
	CHECK(kf_katapult_complete(&t.k, &t.err) == 0);
	talk_end(&t);
	json_decref(recorded);
}

TEST(says_what_was_recorded_and_takes_the_answers)
{
	flash_recorded("kat-h723-usb", "stm32h723xx", 0x08020000);
	flash_recorded("kat-f446-usb", "stm32f446xx", 0x08008000);
	flash_recorded("kat-f405-uart", "stm32f405xx", 0x08008000);
}

/* Blocks */

static struct kf_katapult_frame second_answer; /* what the board says to its second block */
static int times;

static void answer_second_block_so(int board)
{
	greet_plainly(board);
	CHECK(take_command(board, KF_KATAPULT_SEND_BLOCK));
	ack_words(board, KF_KATAPULT_SEND_BLOCK, START, 8);
	for (int i = 0; i < times; i++) {
		if (!take_command(board, KF_KATAPULT_SEND_BLOCK))
			return;
		say(board, second_answer.command, second_answer.payload,
		    second_answer.payload_bytes);
	}
	if (!take_command(board, KF_KATAPULT_SEND_BLOCK))
		return;
	ack_words(board, KF_KATAPULT_SEND_BLOCK, START + 64, 8);
	CHECK(take_command(board, KF_KATAPULT_EOF));
	ack_words(board, KF_KATAPULT_EOF, 1, 8);
}

static void fail_at_second_block(uint8_t command, const char *payload, size_t len, const char *want)
{
	struct talk t;

	times = 1;
	second_answer =
		(struct kf_katapult_frame){ command, (uint16_t)len, (const uint8_t *)payload };
	CHECK(talk_write(&t, answer_second_block_so, LONG_MS, 65) == -EPROTO);
	CHECK(t.err.code == KF_PROTOCOL);
	CHECK_STR(t.err.message, want);
	talk_end(&t);
}

TEST(every_wrong_answer_to_a_block_is_an_error_of_its_own)
{
	fail_at_second_block(KF_KATAPULT_NACK, NULL, 0,
			     "block 0x08020040: want ACK, got NACK (0xf1)");
	fail_at_second_block(KF_KATAPULT_COMMAND_ERROR, NULL, 0,
			     "block 0x08020040: want ACK, got a command error (0xf2)");
	fail_at_second_block(0x77, NULL, 0,
			     "block 0x08020040: want ACK, got an unknown code (0x77)");
	fail_at_second_block(KF_KATAPULT_ACK, "\x14\0\0\0\x40\0\2\10", 8,
			     "block 0x08020040: want ACK of SEND_BLOCK, got ACK of 0x14");
	fail_at_second_block(KF_KATAPULT_ACK, "\x12\0\0\0\x80\0\2\10", 8,
			     "block 0x08020040: got the answer of address 0x08020080");
	fail_at_second_block(KF_KATAPULT_ACK, "\x12\0\0\0", 4,
			     "block 0x08020040: an ACK of 4 bytes does not fit this command");
	fail_at_second_block(KF_KATAPULT_ACK, NULL, 0,
			     "block 0x08020040: want ACK of SEND_BLOCK, got ACK of 0x00");
}

static void answer_twice(int board)
{
	greet_plainly(board);
	for (uint32_t at = 0; at < 128; at += 64) {
		CHECK(take_command(board, KF_KATAPULT_SEND_BLOCK));
		ack_words(board, KF_KATAPULT_SEND_BLOCK, START + at, 8);
		ack_words(board, KF_KATAPULT_SEND_BLOCK, START + at, 8);
	}
	CHECK(take_command(board, KF_KATAPULT_EOF));
	ack_words(board, KF_KATAPULT_EOF, 1, 8);
}

TEST(a_blocks_answer_that_comes_twice_is_taken_once)
{
	struct talk t;

	CHECK(talk_write(&t, answer_twice, LONG_MS, 65) == 0);
	talk_end(&t);
}

TEST(busy_is_asked_again_but_not_for_ever)
{
	struct talk t;

	second_answer = (struct kf_katapult_frame){ KF_KATAPULT_BUSY, 0, NULL };
	times = 2;
	CHECK(talk_write(&t, answer_second_block_so, LONG_MS, 65) == 0);
	talk_end(&t);
	times = 1000;
	CHECK(talk_write(&t, answer_second_block_so, 400, 65) == -EBUSY);
	CHECK(t.err.code == KF_BUSY);
	CHECK_STR(t.err.message, "block 0x08020040: the bootloader stays busy");
	talk_end(&t);
}

static void stall_at_the_first_block(int board)
{
	struct kf_katapult_frame frame;

	greet_plainly(board);
	CHECK(take_command(board, KF_KATAPULT_SEND_BLOCK));
	CHECK(!take(board, &frame)); /* never sent again */
}

static void damage_the_ack(int board)
{
	static const uint8_t ack[] = { 0x01, 0x88, 0xa0, 0x02, 0x12, 0x00, 0x00, 0x00,
				       0x00, 0x00, 0x02, 0x08, 0xd1, 0xe7, 0x99, 0x03 };

	greet_plainly(board);
	CHECK(take_command(board, KF_KATAPULT_SEND_BLOCK));
	put(board, ack, sizeof(ack));
	CHECK(!take_command(board, KF_KATAPULT_SEND_BLOCK));
}

TEST(a_block_without_a_good_answer_ends_at_the_deadline)
{
	struct talk t;

	CHECK(talk_write(&t, stall_at_the_first_block, 300, 64) == -ETIMEDOUT);
	CHECK_STR(t.err.message, "block 0x08020000: no answer in time");
	talk_end(&t);
	CHECK(talk_write(&t, damage_the_ack, 300, 64) == -ETIMEDOUT);
	talk_end(&t);
}

static void leave_at_the_first_block(int board)
{
	greet_plainly(board);
	CHECK(take_command(board, KF_KATAPULT_SEND_BLOCK));
}

TEST(a_board_that_leaves_in_the_middle_is_gone)
{
	struct talk t;

	CHECK(talk_write(&t, leave_at_the_first_block, KF_FOREVER / 2, 64) == -ENODEV);
	CHECK(t.err.code == KF_GONE);
	CHECK_STR(t.err.message, "block 0x08020000: the board was disconnected meanwhile");
	talk_end(&t);
}

static void take_padded_block(int board)
{
	struct kf_katapult_frame frame;

	greet_plainly(board);
	CHECK(take(board, &frame) && frame.payload_bytes == 68);
	CHECK(kf_get_le32(frame.payload) == START);
	CHECK(frame.payload[4] == 1 && frame.payload[4 + 9] == 0);
	for (size_t i = 10; i < 64; i++)
		CHECK(frame.payload[4 + i] == 0xff);
	ack_words(board, KF_KATAPULT_SEND_BLOCK, START, 8);
	CHECK(take_command(board, KF_KATAPULT_EOF));
	say(board, KF_KATAPULT_COMMAND_ERROR, NULL, 0);
}

TEST(the_last_block_is_padded_and_eof_can_fail)
{
	struct talk t;

	CHECK(talk_write(&t, take_padded_block, LONG_MS, 10) == -EPROTO);
	CHECK_STR(t.err.message, "EOF: want ACK, got a command error (0xf2)");
	talk_end(&t);
}

TEST(data_beyond_the_addresses_is_refused)
{
	const uint8_t byte = 0;
	struct talk t;

	greeting = GREETING(0x10100, 0xffffff80, 64, "rp2040\0\0");
	CHECK(talk_connect(&t, greet_so, LONG_MS) == 0);
	CHECK(kf_katapult_write(&t.k, &byte, 0, NULL, NULL, &t.err) == -EBADMSG);
	CHECK(kf_katapult_write(&t.k, &byte, 129, NULL, NULL, &t.err) == -EBADMSG);
	CHECK(t.err.code == KF_BAD_IMAGE);
	talk_end(&t);
}

static size_t damaged; /* which of the 128 bytes reads back wrong */

static void read_back(int board)
{
	uint8_t payload[72] = { KF_KATAPULT_REQUEST_BLOCK };

	greet_plainly(board);
	for (uint32_t i = 0; i < 2; i++) {
		if (!take_command(board, KF_KATAPULT_REQUEST_BLOCK))
			return;
		kf_put_le32(payload + 4, START + 64 * i);
		memset(payload + 8, 0xff, 64);
		memset(payload + 8, 0x5a, i == 0 ? 64 : 6);
		if (damaged / 64 == i)
			payload[8 + damaged % 64] ^= 0x10;
		say(board, KF_KATAPULT_ACK, payload, sizeof(payload));
	}
}

static void note_progress(size_t done, size_t total, void *arg)
{
	size_t *news = arg;

	CHECK(total == 70);
	news[done == 70 ? 1 : 0] = done;
}

TEST(every_byte_is_compared_the_padding_too)
{
	size_t news[2] = { 0 };
	uint8_t data[70];
	struct talk t;

	memset(data, 0x5a, sizeof(data));
	for (damaged = 0; damaged <= 128; damaged++) {
		CHECK(talk_connect(&t, read_back, LONG_MS) == 0);
		CHECK(kf_katapult_verify(&t.k, data, 70, note_progress, news, &t.err) ==
		      (damaged < 128 ? -EIO : 0));
		CHECK(damaged == 128 || t.err.code == KF_VERIFY_FAILED);
		if (damaged == 127)
			CHECK_STR(t.err.message, "block 0x08020040: address 0x0802007f: wrote "
						 "0xff, read back 0xef");
		talk_end(&t);
	}
	CHECK(news[0] == 64 && news[1] == 70);
}

/* COMPLETE, and the ends */

static void leave_on_complete(int board)
{
	greet_plainly(board);
	CHECK(take_command(board, KF_KATAPULT_COMPLETE));
}

static void leave_after_greeting(int board)
{
	greet_plainly(board);
}

TEST(leaving_is_what_complete_asks_for)
{
	struct talk t;

	CHECK(talk_connect(&t, leave_on_complete, LONG_MS) == 0);
	CHECK(kf_katapult_complete(&t.k, &t.err) == 0);
	talk_end(&t);
	CHECK(talk_connect(&t, leave_after_greeting, LONG_MS) == 0);
	CHECK(pthread_join(t.thread, NULL) == 0);
	CHECK(kf_katapult_complete(&t.k, &t.err) == -ENODEV); /* had left before */
	kf_link_closep(&t.link);
}

TEST(nothing_follows_a_frame_that_did_not_go_out)
{
	struct kf_link link;
	struct kf_katapult k = { 0 };
	struct kf_error err;
	uint8_t in[4096];
	size_t before = 0, after = 0;
	ssize_t n;
	int fds[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	while (write(fds[0], in, 1) == 1)
		before++;
	kf_link_from_fd(fds[0], false, &link);
	k.link = &link;
	k.deadline_ms = kf_now_ms() + 50;
	CHECK(kf_katapult_connect(&k, &err) == -ETIMEDOUT);
	while ((n = read(fds[1], in, sizeof(in))) > 0)
		after += (size_t)n;
	CHECK(after == before);
	k.deadline_ms = kf_now_ms() + LONG_MS;
	CHECK(kf_katapult_complete(&k, &err) == -EPROTO);
	CHECK_STR(err.message, "COMPLETE: an earlier frame did not go out whole");
	CHECK(read(fds[1], in, sizeof(in)) < 0);
	close(fds[0]);
	close(fds[1]);
}

static void ack_until_it_stops(int board)
{
	struct kf_katapult_frame frame;

	greet_plainly(board);
	CHECK(take(board, &frame));
	ack_words(board, KF_KATAPULT_SEND_BLOCK, START, 8);
	CHECK(!take(board, &frame)); /* no second block, whole or in part */
}

static void stop_now(size_t done, size_t total, void *arg)
{
	(void)total;
	*(size_t *)arg = done;
	kf_process_signal(getpid(), SIGTERM);
}

/* In a child: a stop signal is for good. */
static int stop_in_the_middle(void)
{
	static const uint8_t data[256];
	size_t done = 0;
	struct talk t;
	int r;

	kf_stop_install();
	if (talk_connect(&t, ack_until_it_stops, LONG_MS) < 0)
		return 1;
	r = kf_katapult_write(&t.k, data, sizeof(data), stop_now, &done, &t.err);
	kf_link_closep(&t.link);
	if (r != -EINTR || t.err.code != KF_INTERRUPTED)
		return 2;
	pthread_join(t.thread, NULL);
	return done == 64 && !test_failed ? 0 : 3;
}

TEST(a_stop_signal_ends_it_between_blocks)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(stop_in_the_middle());
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_MAIN(T(says_what_was_recorded_and_takes_the_answers),
	  T(every_wrong_answer_to_a_block_is_an_error_of_its_own),
	  T(a_blocks_answer_that_comes_twice_is_taken_once),
	  T(busy_is_asked_again_but_not_for_ever),
	  T(a_block_without_a_good_answer_ends_at_the_deadline),
	  T(a_board_that_leaves_in_the_middle_is_gone),
	  T(the_last_block_is_padded_and_eof_can_fail), T(data_beyond_the_addresses_is_refused),
	  T(every_byte_is_compared_the_padding_too), T(leaving_is_what_complete_asks_for),
	  T(nothing_follows_a_frame_that_did_not_go_out), T(a_stop_signal_ends_it_between_blocks))
