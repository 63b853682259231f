/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An AVR's bootloader is told to start the firmware, over a socket in place of the UART. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "mcu/avr-bootloader.h"
#include "unit/test.h"

static const uint8_t leave[] = { 0x1b, 0x01, 0x00, 0x01, 0x0e, 0x11, 0x04 };

/* Leave with this in the way, which came before; returns how many messages were sent. */
static size_t leaves(const char *before, size_t len, int *ret)
{
	struct kf_link link = KF_LINK_NONE;
	uint8_t sent[64];
	int fds[2];
	ssize_t got;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		return 0;
	kf_link_from_fd(fds[0], false, &link);
	link.baud = 250000;
	IGNORE_RESULT(write(fds[1], before, len));
	*ret = kf_avr_bootloader_leave(&link, kf_now_ms() + 5000, NULL);
	CHECK(link.baud == 250000);
	got = read(fds[1], sent, sizeof(sent));
	kf_link_closep(&link);
	close(fds[1]);
	for (ssize_t at = 0; at < got; at += (ssize_t)sizeof(leave))
		CHECK(memcmp(sent + at, leave, sizeof(leave)) == 0);
	return got < 0 ? 0 : (size_t)got / sizeof(leave);
}

TEST(one_message_is_enough_for_a_bootloader_that_answers)
{
	static const char answer[] = "\x1b\x01\x00\x02\x0e\x11\x00\x07",
			  late[] = "\x05\x10~ \x1b\x01\x00\x02\x0e\x11\x00\x07";
	int r = -1;

	CHECK(leaves(answer, sizeof(answer) - 1, &r) == 1 && r == 0);
	CHECK(leaves(late, sizeof(late) - 1, &r) == 1 && r == 0);
}

TEST(what_the_firmware_said_before_the_reset_is_no_answer)
{
	int r = -1;

	CHECK(leaves("\x05\x10~", 3, &r) == 3 && r == 0);
}

TEST(silence_is_no_error)
{
	int r = -1;

	CHECK(leaves("", 0, &r) == 3 && r == 0);
}

TEST_MAIN(T(one_message_is_enough_for_a_bootloader_that_answers),
	  T(what_the_firmware_said_before_the_reset_is_no_answer), T(silence_is_no_error))
