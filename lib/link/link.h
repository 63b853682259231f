/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The wire between host and board: it sends whole frames and receives bytes, and says how many
 * requests a board behind it may have unanswered. Who speaks over a link does not know which wire
 * it is. Nothing here is retransmitted.
 */
#ifndef KF_LINK_LINK_H
#define KF_LINK_LINK_H

#include <sys/types.h>

#include "board/board.h"
#include "board/can-uuid.h"
#include "link/drain.h"

/* The rules by which a wire carries requests and answers, the same for all its links. */
struct kf_link_flow {
	/*
	 * A request that the board has no room for waits at the host: several may be unanswered.
	 * Else it is lost, and only one may be.
	 */
	bool holds_requests;
	/* The next request may go while the end of an answer is on its way: both have room. */
	bool overlaps;
	/* The host shows received bytes only after a packet shorter than this, or after two
	 * packets; 0: at once. */
	unsigned packet_bytes;
	/* Silence of so many ms: ask again, each time after twice as long, up to again_max_ms. */
	unsigned again_ms, again_max_ms;
};

struct kf_link_wire;

/* On a CAN bus: can-link.c's own. */
struct kf_link_can {
	char interface[16]; /* empty: a test's socket */
	uint8_t uuid[KF_CAN_UUID_BYTES];
	uint8_t application; /* enum kf_can_application: whose id is given */
	uint8_t id;
	bool answered;	     /* the node sent anything */
	uint8_t taken_by[8]; /* the admin frame that took the id from the node, first byte 0: none
			      */
};

struct kf_link {
	const struct kf_link_wire *wire; /* NULL: not open */
	struct kf_link_flow flow;
	int fd;			/* readable when there is something to receive */
	char name[KF_DEV_SIZE]; /* for messages: "/dev/ttyACM0", "can0 44db3d634885" */
	bool discard;  /* set by the caller: kf_link_closep drops what the board has not taken */
	unsigned baud; /* a UART's, as it was set last */
	struct kf_drain drain; /* kf_link_guard's second process */
	struct kf_link_can can;
};

#define KF_LINK_NONE                                                                               \
	{                                                                                          \
		.fd = -1, .drain = KF_DRAIN_NONE                                                   \
	}

/*
 * The board's own USB (cdc_acm): one frame is one write(2) and one transfer. Errors as
 * kf_serial_open.
 */
_must_check_ int kf_link_usb_open(const char *path, struct kf_link *ret, struct kf_error *err);

/*
 * A UART at any baud: of the host's own, or behind a USB converter (CH340, CP210x, FTDI). It has no
 * flow control. Errors as kf_serial_open and kf_uart_free (uart-owner.h).
 */
_must_check_ int kf_link_uart_open(const char *path, unsigned baud, struct kf_link *ret,
				   struct kf_error *err);

/*
 * The pty of the host's own MCU, by the link that this process made to it. It is not opened
 * exclusively: the process has the pty open for as long as it runs, so a TIOCEXCL that we leave
 * when we are killed would keep Klippy out for ever. KF_GONE: kf_pty_of_process says no; else
 * errors as kf_serial_lock.
 */
_must_check_ int kf_link_process_open(const char *path, struct kf_link *ret, struct kf_error *err);

/*
 * Another baud from here on, for a UART whose board changed its program: what was sent has gone out
 * before, at the old one. KF_IO: it does not go out until deadline_ms, or the port does not have
 * that baud. On another link than a UART it does nothing.
 */
_must_check_ int kf_link_uart_baud(struct kf_link *link, unsigned baud, int64_t deadline_ms,
				   struct kf_error *err);

/*
 * For tests: a link over a socket or a pipe that the link closes. Packets of it are USB's transfers
 * (flow as USB's) with usb, else it is a UART.
 */
void kf_link_from_fd(int fd, bool usb, struct kf_link *ret);

/*
 * From now on a frame that was begun goes out whole even if this process is killed: a second
 * process sees to that (drain.h; on CAN it is the one that sends). Call it before the first frame
 * that could be cut: one of more than 8 bytes. Error: the link stays as it was.
 */
_must_check_ int kf_link_guard(struct kf_link *link, struct kf_error *err);

/*
 * Make the board listen to this link: on CAN, give the node its id; elsewhere do nothing. It may be
 * repeated at any time. Errors as kf_link_send.
 */
_must_check_ int kf_link_attach(struct kf_link *link, int64_t deadline_ms);

/*
 * Send one frame, all of it. A stop signal is heeded before its first byte only: -EINTR means that
 * nothing was sent. -ETIMEDOUT (the board or the bus takes nothing; a part may have been sent),
 * -ENODEV (the port, the interface or the board left), -ENETDOWN (the CAN interface is down),
 * -ENOBUFS (its queue stays full: no node acknowledges), another negative errno.
 */
_must_check_ int kf_link_send(struct kf_link *link, const void *frame, size_t len,
			      int64_t deadline_ms);

/*
 * Receive what there is, at least one byte, at most size, which is at least 8. Returns the count,
 * or as kf_link_send, and -EADDRINUSE: on CAN, somebody gave the node's id to another node or took
 * it away; -ECOMM: the CAN controller went bus-off.
 */
_must_check_ ssize_t kf_link_receive(struct kf_link *link, void *buf, size_t size,
				     int64_t deadline_ms);

/*
 * The words for a negative errno of the functions above, with what to type next; returns the code's
 * errno. After silence on CAN, the interface's state tells more. err may be NULL: on CAN nothing is
 * looked at then, and r comes back.
 */
int kf_link_failed(struct kf_link *link, int r, struct kf_error *err);

/*
 * Why answers make no sense, if the wire can tell: negative, with words (two nodes of one UUID on
 * CAN). 0: it cannot.
 */
int kf_link_explain(struct kf_link *link, struct kf_error *err);

/*
 * Close it, if it is open. What the board has not taken goes out first where kf_link_guard was
 * called, unless discard is set (kf_drain_endp); else it is discarded.
 */
void kf_link_closep(struct kf_link *link);

/* The functions of a wire; for link.c, serial-link.c and can-link.c only. */
struct kf_link_wire {
	struct kf_link_flow flow;
	int (*guard)(struct kf_link *link, struct kf_error *err);
	int (*attach)(struct kf_link *link, int64_t deadline_ms); /* NULL: nothing to do */
	int (*send)(struct kf_link *link, const void *frame, size_t len, int64_t deadline_ms);
	ssize_t (*receive)(struct kf_link *link, void *buf, size_t size, int64_t deadline_ms);
	int (*failed)(struct kf_link *link, int r, struct kf_error *err);
	int (*explain)(struct kf_link *link, struct kf_error *err); /* NULL: it cannot tell */
	void (*close)(struct kf_link *link);
};

#endif
