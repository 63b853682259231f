/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Links over a tty: the board's own USB, a UART, and the pty of a process. */
#include <errno.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "core/clock.h"
#include "core/text.h"
#include "link/baud.h"
#include "link/link.h"
#include "link/serial.h"
#include "link/uart-owner.h"

#define USB_BAUD 250000 /* it means nothing there, but 1200 would send Klipper away */

static int guard(struct kf_link *link, struct kf_error *err)
{
	int port = link->fd;

	return kf_drain_start(&port, &link->drain, err);
}

static int send_frame(struct kf_link *link, const void *frame, size_t len, int64_t deadline_ms)
{
	return kf_serial_write(link->fd, frame, len, deadline_ms);
}

static ssize_t receive(struct kf_link *link, void *buf, size_t size, int64_t deadline_ms)
{
	return kf_serial_read(link->fd, buf, size, deadline_ms);
}

static int failed(struct kf_link *link, int r, struct kf_error *err)
{
	(void)link;
	if (r == -ENODEV)
		return kf_fail(err, KF_GONE, "the board was disconnected meanwhile");
	if (r != -ETIMEDOUT)
		return kf_fail_sys(err, -r, "the port");
	kf_fail(err, KF_TIMEOUT, "no answer in time");
	kf_error_hint(err, "power-cycle the board, then try again");
	return r;
}

static void close_port(struct kf_link *link)
{
	if (link->drain.pid) {
		link->drain.discard = link->discard;
		kf_drain_endp(&link->drain);
	} else {
		kf_serial_closep(&link->fd);
	}
}

/* Over USB, whoever answers at all has done so within 4 ms. */
static const struct kf_link_wire usb = {
	.flow = { .holds_requests = true, .packet_bytes = 64, .again_ms = 4, .again_max_ms = 4096 },
	.guard = guard,
	.send = send_frame,
	.receive = receive,
	.failed = failed,
	.close = close_port,
};

static const struct kf_link_wire uart = {
	.flow = { .again_ms = 100, .again_max_ms = 200 },
	.guard = guard,
	.send = send_frame,
	.receive = receive,
	.failed = failed,
	.close = close_port,
};

/* Take an open port, named path. */
static void make_link(const struct kf_link_wire *wire, const char *path, int fd,
		      struct kf_link *ret)
{
	*ret = (struct kf_link)KF_LINK_NONE;
	ret->wire = wire;
	ret->flow = wire->flow;
	ret->fd = fd;
	KF_COPY(ret->name, path);
}

static int open_port(const struct kf_link_wire *wire, const char *path, unsigned baud,
		     struct kf_link *ret, struct kf_error *err)
{
	int fd, r = kf_serial_open(path, baud, &fd, err);

	if (r < 0)
		return r;
	make_link(wire, path, fd, ret);
	ret->baud = baud;
	return 0;
}

int kf_link_usb_open(const char *path, struct kf_link *ret, struct kf_error *err)
{
	return open_port(&usb, path, USB_BAUD, ret, err);
}

int kf_link_uart_open(const char *path, unsigned baud, struct kf_link *ret, struct kf_error *err)
{
	int r = kf_uart_free("", path, err);

	return r < 0 ? r : open_port(&uart, path, baud, ret, err);
}

int kf_link_process_open(const char *path, struct kf_link *ret, struct kf_error *err)
{
	int fd, r;

	if (!kf_pty_of_process(path))
		return kf_fail(err, KF_GONE, "%s leads to no pty of the host's own MCU", path);
	r = kf_serial_lock(path, &fd, err);
	if (r < 0)
		return r;
	/* Drop the answers to a Klippy that has ended. */
	IGNORE_RESULT(tcflush(fd, TCIOFLUSH));
	make_link(&uart, path, fd, ret);
	return 0;
}

/*
 * Wait until what was sent is out; false: it does not go. No event tells of it, and tcdrain(3) has
 * no deadline: it would never end with a wedged adapter. So the wait is as long as the bytes take.
 * A converter may have some in its own buffer when the kernel has none, and the CH340 does not
 * tell: so these bytes get their time, too.
 */
static bool let_out(int fd, unsigned baud, int64_t deadline_ms)
{
	enum { BITS_A_BYTE = 10, BUFFER = 64 };
	int left = 0, r = 0;

	while (r == 0 && baud > 0 && ioctl(fd, TIOCOUTQ, &left) == 0 && left > 0) {
		if (kf_now_ms() >= deadline_ms)
			return false;
		r = kf_wait_through(
			NULL, 0,
			kf_within_ms(1 + (int64_t)left * BITS_A_BYTE * 1000 / baud, deadline_ms));
	}
	if (baud > 0)
		IGNORE_RESULT(kf_wait_through(
			NULL, 0, kf_now_ms() + 1 + BUFFER * BITS_A_BYTE * 1000 / baud));
	return true;
}

int kf_link_uart_baud(struct kf_link *link, unsigned baud, int64_t deadline_ms,
		      struct kf_error *err)
{
	int r;

	if (link->wire != &uart || link->baud == baud)
		return 0;
	if (!let_out(link->fd, link->baud, deadline_ms)) {
		kf_fail(err, KF_IO, "%s sends nothing: its adapter hangs", link->name);
		return kf_error_hint(err, "unplug the adapter, and plug it in again");
	}
	r = kf_baud_set(link->fd, baud);
	if (r < 0 && r != -ENOTTY)
		return kf_fail_sys(err, -r, "%s: %u baud cannot be set", link->name, baud);
	link->baud = baud;
	return 0;
}

void kf_link_from_fd(int fd, bool is_usb, struct kf_link *ret)
{
	make_link(is_usb ? &usb : &uart, "", fd, ret);
}
