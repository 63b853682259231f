/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pty behind a simulated tty: what opening, closing and hanging up look like from both ends. */
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "sim/pty.h"
#include "unit/machine.h"

static int open_slave(const struct sim_pty *pty, speed_t speed)
{
	int fd = open(pty->slave, O_RDWR | O_NOCTTY | O_NONBLOCK);
	struct termios t;

	CHECK(fd >= 0 && tcgetattr(fd, &t) == 0);
	cfsetspeed(&t, speed);
	CHECK(tcsetattr(fd, TCSANOW, &t) == 0);
	return fd;
}

/* Wait until poll(2) says that there is something to see. */
static bool stirs(const struct sim_pty *pty)
{
	struct pollfd fds[2];

	sim_pty_poll(pty, true, false, fds);
	return poll(fds, 2, 1000) > 0;
}

static bool quiet(const struct sim_pty *pty)
{
	struct pollfd fds[2];

	sim_pty_poll(pty, true, true, fds);
	return poll(fds, 2, 0) == 0;
}

TEST(opens_and_closes)
{
	struct sim_pty pty;
	int fd;

	NEED_PTY();
	CHECK(sim_pty_open(&pty, NULL) == 0);
	for (int i = 0; i < 3; i++) {
		CHECK(quiet(&pty) && sim_pty_next(&pty) == SIM_PTY_QUIET);
		fd = open_slave(&pty, B115200);
		CHECK(stirs(&pty) && sim_pty_next(&pty) == SIM_PTY_OPENED);
		CHECK(sim_pty_next(&pty) == SIM_PTY_QUIET);
		close(fd);
		CHECK(stirs(&pty) && sim_pty_next(&pty) == SIM_PTY_CLOSED_PLAIN);
	}
	sim_pty_close(&pty);
	sim_pty_close(&pty);
}

TEST(the_touch)
{
	struct sim_pty pty;

	NEED_PTY();
	CHECK(sim_pty_open(&pty, NULL) == 0);
	close(open_slave(&pty, B1200));
	CHECK(stirs(&pty) && sim_pty_next(&pty) == SIM_PTY_CLOSED_1200);
	CHECK(quiet(&pty));
	sim_pty_close(&pty);
}

TEST(bytes_pass_raw)
{
	struct sim_pty pty;
	char buf[16];
	int fd;

	NEED_PTY();
	CHECK(sim_pty_open(&pty, NULL) == 0);
	fd = open_slave(&pty, B115200);
	CHECK(stirs(&pty) && sim_pty_next(&pty) == SIM_PTY_OPENED);
	CHECK(sim_pty_read(&pty, buf, sizeof(buf)) == 0);
	CHECK(write(fd, "\x01\x03\r\n\x11", 5) == 5);
	CHECK(stirs(&pty) && sim_pty_read(&pty, buf, sizeof(buf)) == 5);
	CHECK(memcmp(buf, "\x01\x03\r\n\x11", 5) == 0);
	CHECK(sim_pty_write(&pty, "\x04\r\x1a", 3) == 3);
	CHECK(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 1000) == 1);
	CHECK(read(fd, buf, sizeof(buf)) == 3 && memcmp(buf, "\x04\r\x1a", 3) == 0);
	/* Written, then closed: the bytes are still there. */
	CHECK(write(fd, "bye", 3) == 3);
	close(fd);
	CHECK(stirs(&pty) && sim_pty_next(&pty) == SIM_PTY_CLOSED_PLAIN);
	CHECK(sim_pty_read(&pty, buf, sizeof(buf)) == 3);
	sim_pty_close(&pty);
}

TEST(a_board_that_leaves_hangs_up)
{
	struct sim_pty pty;
	struct pollfd p;
	char buf[4];

	NEED_PTY();
	CHECK(sim_pty_open(&pty, NULL) == 0);
	p = (struct pollfd){ .fd = open_slave(&pty, B115200), .events = POLLIN };
	sim_pty_close(&pty);
	CHECK(poll(&p, 1, 1000) == 1 && (p.revents & POLLHUP));
	CHECK(read(p.fd, buf, sizeof(buf)) == 0);
	CHECK(open(pty.slave, O_RDWR | O_NOCTTY) < 0);
	close(p.fd);
}

TEST_MAIN(T(opens_and_closes), T(the_touch), T(bytes_pass_raw), T(a_board_that_leaves_hangs_up))
