/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <sys/ioctl.h>

#include "sim/uart.h"

#define FRAME_BITS 10 /* start, eight of data, stop */
#define SAMPLES	   16 /* of a bit: how often a receiver looks for an edge */

/* The level of the line, in bits of the sender's since the burst began. */
static unsigned level(const uint8_t *sent, size_t len, double bits)
{
	size_t bit = (size_t)bits, at = bit / FRAME_BITS;

	bit %= FRAME_BITS;
	if (at >= len || bit == FRAME_BITS - 1)
		return 1;
	return bit == 0 ? 0 : sent[at] >> (bit - 1) & 1;
}

size_t sim_uart_hear(const uint8_t *sent, size_t len, unsigned from_baud, unsigned to_baud,
		     uint8_t *ret, size_t size)
{
	double bit = (double)from_baud / to_baud, t = 0; /* in the sender's bits */
	size_t count = 0;

	while (count < size && t < (double)(len * FRAME_BITS)) {
		unsigned byte = 0;

		if (level(sent, len, t)) {
			t += bit / SAMPLES;
			continue;
		}
		for (unsigned i = 0; i < 8; i++)
			byte |= level(sent, len, t + bit * (1.5 + i)) << i;
		ret[count++] = (uint8_t)byte;
		t += bit * 9.5;
		while (t < (double)(len * FRAME_BITS) && !level(sent, len, t))
			t += bit / SAMPLES;
	}
	return count;
}

unsigned sim_uart_baud(int fd)
{
	struct termios2 t;

	return ioctl(fd, TCGETS2, &t) < 0 ? 0 : t.c_ospeed;
}
