/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tests/simavr/board MCU BOOTLOADER.hex FLASH: an AVR on simavr, with its genuine bootloader and
 * nothing behind it. Its UART is a pty, whose path is printed. As on an Arduino, who opens the port
 * resets the chip. On SIGTERM its whole flash is written to the file FLASH.
 *
 * The chip runs at its own 16 MHz, and only while somebody has the port: its bootloader would time
 * out before. The firmware behind it is not run: it may be any bytes.
 */
#include <err.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_hex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"
#include "sim/pty.h"

enum {
	CLOCK_MHZ = 16,
	/* If this machine was slower than the chip, that time is not made up for. */
	BEHIND_MS = 100,
	MCUSR = 0x54, /* of all ATmega that are named here */
	EXTERNAL_RESET = 2,
};

struct board {
	avr_t *avr;
	avr_irq_t *input;
	uint32_t boot; /* where its bootloader starts */
	struct sim_pty pty;
	bool full; /* its UART takes no byte now */
};

static void send_byte(struct avr_irq_t *irq, uint32_t value, void *arg)
{
	struct board *b = arg;
	uint8_t byte = (uint8_t)value;

	(void)irq;
	if (b->pty.open && sim_pty_write(&b->pty, &byte, 1) < 0)
		warnx("a byte was not taken");
}

static void has_room(struct avr_irq_t *irq, uint32_t value, void *arg)
{
	(void)irq;
	(void)value;
	((struct board *)arg)->full = false;
}

static void is_full(struct avr_irq_t *irq, uint32_t value, void *arg)
{
	(void)irq;
	(void)value;
	((struct board *)arg)->full = true;
}

/* The file's longest part is the bootloader; optiboot has its version twice, and there may be a
 * stray byte. */
static void load(struct board *b, char *path)
{
	ihex_chunk_p chunks = NULL;
	int count = read_ihex_chunks(path, &chunks);
	uint32_t longest = 0;

	if (count <= 0)
		errx(1, "%s cannot be read", path);
	memset(b->avr->flash, 0xff, b->avr->flashend + 1);
	for (int i = 0; i < count; i++) {
		if ((uint64_t)chunks[i].baseaddr + chunks[i].size > b->avr->flashend + 1)
			errx(1, "%s: it is not for this chip", path);
		memcpy(b->avr->flash + chunks[i].baseaddr, chunks[i].data, chunks[i].size);
		if (chunks[i].size <= longest)
			continue;
		longest = chunks[i].size;
		b->boot = chunks[i].baseaddr;
	}
	free_ihex_chunks(chunks);
}

static void connect(struct board *b)
{
	uint32_t id = AVR_IOCTL_UART_GETIRQ('0'), flags = 0;

	b->input = avr_io_getirq(b->avr, id, UART_IRQ_INPUT);
	avr_irq_register_notify(avr_io_getirq(b->avr, id, UART_IRQ_OUTPUT), send_byte, b);
	avr_irq_register_notify(avr_io_getirq(b->avr, id, UART_IRQ_OUT_XON), has_room, b);
	avr_irq_register_notify(avr_io_getirq(b->avr, id, UART_IRQ_OUT_XOFF), is_full, b);
	/* Neither sleep while the bootloader polls, nor show lines of text. */
	avr_ioctl(b->avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
}

static void reset(struct board *b)
{
	avr_reset(b->avr);
	b->avr->pc = b->boot;
	b->avr->data[MCUSR] = EXTERNAL_RESET;
	b->full = false;
}

/* Is it in its bootloader, so that there is something to run? */
static bool runs(const struct board *b)
{
	return b->pty.open && b->avr->pc >= b->boot;
}

static void feed(struct board *b)
{
	uint8_t byte;

	while (!b->full && sim_pty_read(&b->pty, &byte, 1) == 1)
		avr_raise_irq(b->input, byte);
}

static void run_ms(struct board *b)
{
	avr_cycle_count_t end = b->avr->cycle + (avr_cycle_count_t)CLOCK_MHZ * 1000;

	feed(b);
	while (runs(b) && b->avr->cycle < end)
		if (avr_run(b->avr) >= cpu_Done)
			reset(b);
}

/* Until a stop signal comes. */
static void serve(struct board *b)
{
	int64_t due_ms = kf_now_ms();
	enum sim_pty_event event;
	struct pollfd fds[2];

	do {
		while ((event = sim_pty_next(&b->pty)) != SIM_PTY_QUIET)
			if (event == SIM_PTY_OPENED)
				reset(b);
		if (kf_now_ms() - due_ms > BEHIND_MS)
			due_ms = kf_now_ms();
		for (; runs(b) && due_ms <= kf_now_ms(); due_ms++)
			run_ms(b);
		sim_pty_poll(&b->pty, runs(b) && !b->full, false, fds);
	} while (kf_wait(fds, 2, runs(b) ? due_ms : KF_FOREVER) >= 0);
}

int main(int argc, char *argv[])
{
	struct board b = { .pty = SIM_PTY_CLOSED };
	struct kf_error error;

	if (argc != 4)
		errx(64, "usage: board MCU BOOTLOADER.hex FLASH");
	kf_stop_install();
	b.avr = avr_make_mcu_by_name(argv[1]);
	if (!b.avr)
		errx(1, "simavr has no %s", argv[1]);
	avr_init(b.avr);
	b.avr->frequency = CLOCK_MHZ * 1000000;
	load(&b, argv[2]);
	b.avr->reset_pc = b.boot;
	b.avr->codeend = b.avr->flashend;
	connect(&b);
	reset(&b);
	if (sim_pty_open(&b.pty, &error) < 0)
		errx(1, "%s", error.message);
	printf("%s\n", b.pty.slave);
	fflush(stdout);
	serve(&b);
	sim_pty_close(&b.pty);
	if (kf_file_write(argv[3], (const char *)b.avr->flash, b.avr->flashend + 1, &error) < 0)
		errx(1, "%s", error.message);
	return 0;
}
