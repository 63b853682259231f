/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The serial port against a pty, whose master side is the board. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/process.h"
#include "link/serial.h"
#include "unit/test.h"

struct pair {
	int board; /* the pty's master; -1: there is none */
	char path[64];
	int fd; /* kf_serial_open's */
};

static void pair_close(struct pair *pair)
{
	kf_closep(&pair->board);
	kf_serial_closep(&pair->fd);
}

static struct pair pair_new(void)
{
	struct pair pair = { .board = -1, .fd = -1 };
	int slave = -1;

	if (openpty(&pair.board, &slave, pair.path, NULL, NULL) < 0)
		pair.board = -1;
	kf_closep(&slave);
	return pair;
}

#define PAIR(pair)                                                                                 \
	_cleanup_(pair_close) struct pair pair = pair_new();                                       \
	if ((pair).board < 0)                                                                      \
	SKIP("no pty can be opened here")

static void connect_pair(struct pair *pair)
{
	struct kf_error err = { 0 };

	CHECK(kf_serial_open(pair->path, 115200, &pair->fd, &err) == 0);
	CHECK_STR(err.message, "");
}

TEST(opens_raw_and_passes_every_byte)
{
	uint8_t out[256], in[256];
	struct termios t;

	PAIR(pair);
	connect_pair(&pair);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)i;
	CHECK(kf_serial_write(pair.fd, out, sizeof(out), kf_now_ms() + 1000) == 0);
	CHECK(read(pair.board, in, sizeof(in)) == sizeof(in));
	CHECK(memcmp(in, out, sizeof(out)) == 0);
	CHECK(write(pair.board, out, sizeof(out)) == sizeof(out));
	CHECK(kf_serial_read(pair.fd, in, sizeof(in), kf_now_ms() + 1000) == sizeof(in));
	CHECK(memcmp(in, out, sizeof(out)) == 0);
	CHECK(tcgetattr(pair.board, &t) == 0 && cfgetospeed(&t) == B115200);
	CHECK((fcntl(pair.fd, F_GETFD) & FD_CLOEXEC) != 0);
}

TEST(any_baud_can_be_set)
{
	static const unsigned bauds[] = { 9600, 115200, 250000, 1000000, 12345 };

	PAIR(pair);
	for (size_t i = 0; i < KF_ARRAY_SIZE(bauds); i++) {
		_cleanup_(kf_serial_closep) int fd = -1;
		/* The kernel's struct termios2: four flag words, 20 bytes, two speeds. */
		uint32_t t[11];

		CHECK(kf_serial_open(pair.path, bauds[i], &fd, NULL) == 0);
		if (ioctl(fd, _IOR('T', 0x2a, t), t) < 0 && (errno == ENOTTY || errno == ENOSYS))
			SKIP("qemu's user mode does not know TCGETS2");
		CHECK(t[9] == bauds[i] && t[10] == bauds[i]);
	}
}

TEST(open_discards_old_bytes)
{
	_cleanup_(kf_closep) int first = -1;
	uint8_t in[8];

	PAIR(pair);
	/* The first one keeps the pty's buffer alive in between. */
	first = open(pair.path, O_RDWR | O_NOCTTY);
	CHECK(write(pair.board, "stale\n", 6) == 6);
	connect_pair(&pair);
	CHECK(kf_serial_read(pair.fd, in, sizeof(in), kf_now_ms() + 20) == -ETIMEDOUT);
}

TEST(tiocexcl_ends_with_our_close)
{
	_cleanup_(kf_closep) int before = -1;
	int exclusive = -1;

	PAIR(pair);
	before = open(pair.path, O_RDWR | O_NOCTTY);
	connect_pair(&pair);
	if (ioctl(before, TIOCGEXCL, &exclusive) < 0 && (errno == ENOTTY || errno == ENOSYS))
		SKIP("qemu's user mode does not know TIOCGEXCL");
	CHECK(exclusive == 1);
	kf_serial_closep(&pair.fd);
	CHECK(pair.fd == -1);
	CHECK(ioctl(before, TIOCGEXCL, &exclusive) == 0 && exclusive == 0);
}

TEST(silence_and_a_full_port_end_at_the_deadline)
{
	static const uint8_t much[1 << 17];
	int64_t begin;
	uint8_t in[4];

	PAIR(pair);
	connect_pair(&pair);
	begin = kf_now_ms();
	CHECK(kf_serial_read(pair.fd, in, sizeof(in), begin + 60) == -ETIMEDOUT);
	CHECK(kf_now_ms() - begin >= 60);
	CHECK(kf_serial_read(pair.fd, in, sizeof(in), begin) == -ETIMEDOUT);
	begin = kf_now_ms();
	CHECK(kf_serial_write(pair.fd, much, sizeof(much), begin + 60) == -ETIMEDOUT);
	CHECK(kf_now_ms() - begin >= 60);
}

TEST(a_board_that_left_is_noticed_at_once)
{
	uint8_t in[4];

	PAIR(pair);
	connect_pair(&pair);
	kf_closep(&pair.board);
	CHECK(kf_serial_read(pair.fd, in, sizeof(in), KF_FOREVER) == -ENODEV);
	CHECK(kf_serial_write(pair.fd, "x", 1, KF_FOREVER) == -ENODEV);
}

TEST(open_errors_name_the_reason)
{
	_cleanup_(kf_closep) int other = -1;
	struct kf_error err;
	int fd = -7;

	CHECK(kf_serial_open("/dev/kf-no-such-port", 115200, &fd, &err) == -ENODEV);
	CHECK(err.code == KF_GONE);
	CHECK_STR(err.message, "/dev/kf-no-such-port: there is no such port");
	other = open("/dev/zero", O_RDWR | O_CLOEXEC); /* whoever has locked it: it is no port */
	CHECK(flock(other, LOCK_EX) == 0);
	CHECK(kf_serial_open("/dev/zero", 115200, &fd, &err) == -EINVAL);
	CHECK_STR(err.message, "/dev/zero: not a serial port");
	kf_closep(&other);
	PAIR(pair);
	other = open(pair.path, O_RDWR | O_NOCTTY);
	CHECK(flock(other, LOCK_EX) == 0);
	CHECK(kf_serial_open(pair.path, 115200, &fd, &err) == -EBUSY);
	CHECK(err.code == KF_BUSY);
	CHECK(kf_serial_touch_1200(pair.path, &err) == -EBUSY);
	CHECK(fd == -7);
}

TEST(touch_leaves_1200_baud_and_a_closed_port)
{
	struct termios t;

	PAIR(pair);
	CHECK(kf_serial_touch_1200(pair.path, NULL) == 0);
	CHECK(tcgetattr(pair.board, &t) == 0 && cfgetospeed(&t) == B1200);
	connect_pair(&pair);
	CHECK(kf_serial_touch_1200("/dev/kf-no-such-port", NULL) == -ENODEV);
}

static void *take_slowly(void *arg)
{
	const int *board = arg;
	static uint8_t in[4096];
	ssize_t total, n;

	/* The first byte is here, the last one finds no room yet. */
	total = read(*board, in, 1);
	kf_process_signal(getpid(), SIGTERM);
	while (total < 1 << 16) {
		n = read(*board, in, sizeof(in));
		if (n <= 0)
			break;
		total += n;
	}
	return (void *)(intptr_t)total;
}

/* In a child: a stop signal is for good. */
static int write_while_stopped(const struct pair *pair)
{
	static const uint8_t much[1 << 16];
	pthread_t reader;
	void *got = NULL;
	int board = pair->board, fd = -1, r;
	uint8_t in[4];

	kf_stop_install();
	if (kf_serial_open(pair->path, 115200, &fd, NULL) < 0)
		return 1;
	if (pthread_create(&reader, NULL, take_slowly, &board) != 0)
		return 2;
	r = kf_serial_write(fd, much, sizeof(much), kf_now_ms() + 5000);
	if (r != 0)
		return 3;
	pthread_join(reader, &got);
	if ((intptr_t)got != sizeof(much))
		return 4;
	if (kf_serial_read(fd, in, sizeof(in), KF_FOREVER) != -EINTR)
		return 5;
	if (kf_serial_write(fd, "x", 1, KF_FOREVER) != -EINTR)
		return 6;
	return 0;
}

TEST(a_stop_signal_never_cuts_a_write)
{
	int status = -1;
	pid_t pid;

	PAIR(pair);
	pid = fork();
	if (pid == 0)
		_exit(write_while_stopped(&pair));
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_MAIN(T(opens_raw_and_passes_every_byte), T(any_baud_can_be_set), T(open_discards_old_bytes),
	  T(tiocexcl_ends_with_our_close), T(silence_and_a_full_port_end_at_the_deadline),
	  T(a_board_that_left_is_noticed_at_once), T(open_errors_name_the_reason),
	  T(touch_leaves_1200_baud_and_a_closed_port), T(a_stop_signal_never_cuts_a_write))
