/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a UART hears of one that sends at another rate: the level of the line, sampled in the middle
 * of each of its own bits, from the edge of a start bit on. A byte whose stop bit is wrong counts,
 * as Klipper's and Katapult's receivers look at no error flag. Pure.
 */
#ifndef SIM_UART_H
#define SIM_UART_H

#include <stddef.h>
#include <stdint.h>

/* sent is a burst of len bytes, 8N1, with a quiet line around it. Returns how many bytes are heard.
 */
size_t sim_uart_hear(const uint8_t *sent, size_t len, unsigned from_baud, unsigned to_baud,
		     uint8_t *ret, size_t size);

/* The rate that is set at a tty, of either end of a pty; 0: it does not tell. */
unsigned sim_uart_baud(int fd);

#endif
