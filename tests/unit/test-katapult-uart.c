/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A board on a UART, which may be in Katapult or in Klipper; simulated, its port is a socket. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "katapult/uart.h"
#include "sim/firmware.h"
#include "sim/katapult.h"
#include "sim/klipper.h"
#include "unit/test.h"

#define START	0x08008000u
#define LONG_MS 10000 /* only for what has to come */
#define BAUDS	(&(const struct kf_uart_bauds){ 250000, 250000 })

static struct {
	struct sim_flash flash;
	struct sim_firmware firmware;
	struct sim_katapult katapult;
	struct sim_klipper klipper;
	struct sim_mcu *mcu; /* what runs */
	bool deaf;	     /* it hears nothing: another baud, or no board */
	size_t got;	     /* bytes from the host */
	int port;
	pthread_t thread;
} board;

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void start_katapult(void)
{
	sim_katapult_init(&board.katapult, SIM_WIRE_UART);
	board.mcu = &board.katapult.mcu;
}

static void start_klipper(void)
{
	sim_klipper_init(&board.klipper, SIM_WIRE_UART);
	board.klipper.identify = board.firmware.dictionary;
	board.klipper.identify_len = board.firmware.dictionary_len;
	board.mcu = &board.klipper.mcu;
}

/* Byte by byte, as a UART brings them. */
static void hear(const uint8_t *data, size_t len)
{
	uint8_t out[SIM_PACKET];
	size_t n;

	board.got += len;
	for (size_t i = 0; i < len && !board.deaf; i++) {
		CHECK(sim_mcu_take(board.mcu, data + i, 1));
		while (board.mcu->step(board.mcu, now_us()))
			;
		while ((n = sim_mcu_send(board.mcu, out)) > 0)
			CHECK(send(board.port, out, n, MSG_NOSIGNAL) == (ssize_t)n);
		if (board.mcu == &board.klipper.mcu && board.klipper.wants_bootloader)
			start_katapult();
	}
}

static void *be_board(void *arg)
{
	uint8_t in[1024];
	ssize_t n;

	while ((n = read(board.port, in, sizeof(in))) > 0)
		hear(in, (size_t)n);
	close(board.port);
	return arg;
}

static void begin(struct kf_katapult *k, struct kf_link *link)
{
	struct kf_error err;
	int fds[2];

	memset(&board, 0, sizeof(board));
	CHECK(sim_flash_init(&board.flash, "stm32f446xx", 0, NULL) == 0);
	CHECK(sim_firmware_make(&board.flash, START, "Klipper", "stm32f446xx", "v0.13.0-1", &err) ==
	      0);
	CHECK(sim_firmware_find(&board.flash, START, "stm32f446xx", &board.firmware, &err) == 0);
	strcpy(board.katapult.name, "stm32f446xx");
	strcpy(board.katapult.version, "v0.0.1-110-gb0bf421");
	board.katapult.flash = &board.flash;
	board.katapult.start = START;
	board.katapult.block_bytes = 64;
	start_katapult();
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	CHECK(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
	board.port = fds[1];
	kf_link_from_fd(fds[0], false, link);
	*k = (struct kf_katapult){ .link = link, .deadline_ms = kf_now_ms() + LONG_MS };
}

static void run(void)
{
	CHECK(pthread_create(&board.thread, NULL, be_board, NULL) == 0);
}

static void end(struct kf_link *link)
{
	kf_link_closep(link);
	CHECK(pthread_join(board.thread, NULL) == 0);
	sim_flash_free(&board.flash);
}

TEST(a_waiting_katapult_is_found_and_nothing_else_is_sent)
{
	struct kf_dictionary dictionary;
	enum kf_mode mode = KF_MODE_NONE;
	struct kf_katapult k;
	struct kf_error err;
	struct kf_link link;

	begin(&k, &link);
	run();
	CHECK(kf_uart_probe(&k, BAUDS, &mode, &dictionary, &err) == 0);
	CHECK(mode == KF_MODE_KATAPULT && k.start == START);
	CHECK_STR(k.mcu, "stm32f446xx");
	CHECK(board.got == 8);
	CHECK(kf_katapult_finish(&k, &err) == 0); /* it is not wedged */
	end(&link);
}

/* What somebody left in its input costs a NACK in front of the answer. */
TEST(a_nack_before_the_answer_is_skipped)
{
	struct kf_dictionary dictionary;
	enum kf_mode mode = KF_MODE_NONE;
	struct kf_katapult k;
	struct kf_error err;
	struct kf_link link;

	begin(&k, &link);
	hear((const uint8_t *)"~", 1);
	run();
	CHECK(kf_uart_probe(&k, BAUDS, &mode, &dictionary, &err) == 0);
	CHECK(mode == KF_MODE_KATAPULT && !k.wedged);
	end(&link);
}

TEST(klipper_is_asked_after_katapult_and_answers)
{
	struct kf_dictionary dictionary = { 0 };
	enum kf_mode mode = KF_MODE_NONE;
	struct kf_katapult k;
	struct kf_error err;
	struct kf_link link;

	begin(&k, &link);
	start_klipper();
	run();
	CHECK(kf_uart_probe(&k, BAUDS, &mode, &dictionary, &err) == 0);
	CHECK(mode == KF_MODE_KLIPPER);
	CHECK_STR(dictionary.version, "v0.13.0-1");
	end(&link);
}

TEST(klipper_leaves_for_katapult_when_it_is_asked)
{
	struct kf_katapult k;
	struct kf_error err;
	struct kf_link link;

	begin(&k, &link);
	start_klipper();
	/* Half a message is in its input: somebody was killed. */
	hear((const uint8_t *)"\x20\x10\x01", 3);
	run();
	CHECK(kf_uart_enter(&k, BAUDS, &err) == 0);
	CHECK(k.start == START && board.mcu == &board.katapult.mcu);
	CHECK(kf_katapult_finish(&k, &err) == 0);
	end(&link);
}

/* It is already there: the request is garbage to it, and it still answers. */
TEST(the_request_does_not_wedge_a_katapult_that_waits)
{
	struct kf_katapult k;
	struct kf_error err;
	struct kf_link link;

	begin(&k, &link);
	run();
	CHECK(kf_uart_enter(&k, BAUDS, &err) == 0);
	CHECK(kf_katapult_finish(&k, &err) == 0);
	end(&link);
}

TEST(a_wedged_katapult_is_not_asked_as_klipper)
{
	static const uint8_t half[] = { 0x01, 0x88, 0x12, 0x11, 0x99, 0x03 };
	struct kf_dictionary dictionary;
	enum kf_mode mode = KF_MODE_NONE;
	struct kf_katapult k;
	struct kf_error err;
	struct kf_link link;

	begin(&k, &link);
	hear(half, sizeof(half)); /* waits for the rest of a block */
	board.got = 0;
	run();
	CHECK(kf_uart_probe(&k, BAUDS, &mode, &dictionary, &err) < 0);
	CHECK(mode == KF_MODE_NONE);
	end(&link);
}

TEST(a_silent_port_tells_what_was_asked)
{
	struct kf_dictionary dictionary;
	enum kf_mode mode = KF_MODE_NONE;
	struct kf_katapult k;
	struct kf_error err;
	struct kf_link link;

	begin(&k, &link);
	board.deaf = true;
	k.deadline_ms = kf_now_ms() + 500;
	run();
	CHECK(kf_uart_probe(&k, &(const struct kf_uart_bauds){ 115200, 250000 }, &mode, &dictionary,
			    &err) == -ETIMEDOUT);
	CHECK_STR(err.message,
		  "neither Katapult (at 250000 baud) nor Klipper (at 115200 baud) answers");
	end(&link);
}

TEST_MAIN(T(a_waiting_katapult_is_found_and_nothing_else_is_sent),
	  T(a_nack_before_the_answer_is_skipped), T(klipper_is_asked_after_katapult_and_answers),
	  T(klipper_leaves_for_katapult_when_it_is_asked),
	  T(the_request_does_not_wedge_a_katapult_that_waits),
	  T(a_wedged_katapult_is_not_asked_as_klipper), T(a_silent_port_tells_what_was_asked))
