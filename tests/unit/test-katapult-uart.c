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

static struct {
	struct kf_katapult k;
	struct kf_link link;
	struct kf_dictionary dictionary;
	enum kf_mode mode; /* by probe */
	struct kf_error err;
} host;

static void begin(void)
{
	int fds[2];

	memset(&board, 0, sizeof(board));
	memset(&host, 0, sizeof(host));
	host.mode = KF_MODE_NONE;
	CHECK(sim_flash_init(&board.flash, "stm32f446xx", 0, NULL) == 0);
	CHECK(sim_firmware_make(&board.flash, START, "Klipper", "stm32f446xx", "v0.13.0-1",
				&host.err) == 0);
	CHECK(sim_firmware_find(&board.flash, START, "stm32f446xx", &board.firmware, &host.err) ==
	      0);
	strcpy(board.katapult.name, "stm32f446xx");
	strcpy(board.katapult.version, "v0.0.1-110-gb0bf421");
	board.katapult.flash = &board.flash;
	board.katapult.start = START;
	board.katapult.block_bytes = 64;
	start_katapult();
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	CHECK(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
	board.port = fds[1];
	kf_link_from_fd(fds[0], false, &host.link);
	host.k = (struct kf_katapult){ .link = &host.link, .deadline_ms = kf_now_ms() + LONG_MS };
}

static void run(void)
{
	CHECK(pthread_create(&board.thread, NULL, be_board, NULL) == 0);
}

static int probe(const struct kf_uart_bauds *bauds)
{
	return kf_uart_probe(&host.k, bauds, &host.mode, &host.dictionary, &host.err);
}

static void end(void)
{
	kf_link_closep(&host.link);
	CHECK(pthread_join(board.thread, NULL) == 0);
	sim_flash_free(&board.flash);
}

TEST(a_waiting_katapult_is_found_and_nothing_else_is_sent)
{
	begin();
	run();
	CHECK(probe(BAUDS) == 0);
	CHECK(host.mode == KF_MODE_KATAPULT && host.k.start == START);
	CHECK_STR(host.k.mcu, "stm32f446xx");
	CHECK(board.got == 8);
	CHECK(kf_katapult_finish(&host.k, &host.err) == 0); /* it is not wedged */
	end();
}

/* Bytes that somebody left in its input cost a NACK in front of the answer. */
TEST(a_nack_before_the_answer_is_skipped)
{
	begin();
	hear((const uint8_t *)"~", 1);
	run();
	CHECK(probe(BAUDS) == 0);
	CHECK(host.mode == KF_MODE_KATAPULT && !host.k.wedged);
	end();
}

TEST(klipper_is_asked_after_katapult_and_answers)
{
	begin();
	start_klipper();
	run();
	CHECK(probe(BAUDS) == 0);
	CHECK(host.mode == KF_MODE_KLIPPER);
	CHECK_STR(host.dictionary.version, "v0.13.0-1");
	end();
}

TEST(klipper_leaves_for_katapult_when_it_is_asked)
{
	begin();
	start_klipper();
	/* Half a message is in its input: somebody was killed. */
	hear((const uint8_t *)"\x20\x10\x01", 3);
	run();
	CHECK(kf_uart_enter(&host.k, BAUDS, &host.err) == 0);
	CHECK(host.k.start == START && board.mcu == &board.katapult.mcu);
	CHECK(kf_katapult_finish(&host.k, &host.err) == 0);
	end();
}

/* It is already there: the request is garbage to it, and it still answers. */
TEST(the_request_does_not_wedge_a_katapult_that_waits)
{
	begin();
	run();
	CHECK(kf_uart_enter(&host.k, BAUDS, &host.err) == 0);
	CHECK(kf_katapult_finish(&host.k, &host.err) == 0);
	end();
}

TEST(a_wedged_katapult_is_not_asked_as_klipper)
{
	static const uint8_t half[] = { 0x01, 0x88, 0x12, 0x11, 0x99, 0x03 };

	begin();
	hear(half, sizeof(half)); /* waits for the rest of a block */
	board.got = 0;
	run();
	CHECK(probe(BAUDS) < 0);
	CHECK(host.mode == KF_MODE_NONE);
	end();
}

TEST(a_silent_port_tells_what_was_asked)
{
	begin();
	board.deaf = true;
	host.k.deadline_ms = kf_now_ms() + 500;
	run();
	CHECK(probe(&(const struct kf_uart_bauds){ 115200, 250000 }) == -ETIMEDOUT);
	CHECK_STR(host.err.message,
		  "neither Katapult (at 250000 baud) nor Klipper (at 115200 baud) answers");
	end();
}

TEST_MAIN(T(a_waiting_katapult_is_found_and_nothing_else_is_sent),
	  T(a_nack_before_the_answer_is_skipped), T(klipper_is_asked_after_katapult_and_answers),
	  T(klipper_leaves_for_katapult_when_it_is_asked),
	  T(the_request_does_not_wedge_a_katapult_that_waits),
	  T(a_wedged_katapult_is_not_asked_as_klipper), T(a_silent_port_tells_what_was_asked))
