/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads the state of a CAN interface by netlink (rtnetlink(7); linux/can/netlink.h), which needs no
 * right, and says in words which fault it has.
 */
#ifndef KF_LINK_CAN_STATE_H
#define KF_LINK_CAN_STATE_H

#include "core/error.h"

struct kf_can_state {
	bool can; /* it is a CAN interface */
	bool up;
	bool carrier;	       /* it says that it can send */
	bool told;	       /* its controller tells its state and error counters */
	unsigned controller;   /* enum can_state, if told */
	unsigned bitrate;      /* 0: none is set, or it has none (vcan) */
	unsigned queue_frames; /* txqueuelen; 0: it has no queue (vcan) */
	char kind[16];	       /* "can", "vcan", "slcan", "vxcan"; empty: not told */
};

/* -ENODEV: there is no such interface; another negative errno. */
_must_check_ int kf_can_state_read(const char *interface, struct kf_can_state *ret);

/* The answer to RTM_GETLINK. -EBADMSG: it is none. Its own errno, if it is NLMSG_ERROR. */
_must_check_ int kf_can_state_parse(const void *message, size_t len, struct kf_can_state *ret);

/*
 * Can it send? KF_NOT_CONNECTED: there is no such interface, or it is no CAN interface; KF_CAN_BUS:
 * it is down, or bus-off. Each says what to type.
 */
_must_check_ int kf_can_state_check(const char *interface, struct kf_error *err);

/*
 * Is its controller error-passive? It can send, but no node acknowledged the frames that it sent
 * last. *why says so, and what to check.
 */
bool kf_can_state_passive(const char *interface, struct kf_error *why);

/*
 * Is a USB adapter plugged in that no driver has taken, as where the module gs_usb is not loaded?
 * By its ids 1d50:606f (Linux drivers/net/can/usb/gs_usb.c), which Klipper's bridges show too.
 * port: only the one on this USB port ("1-1.2"); NULL: any.
 */
bool kf_can_adapter_unbound(const char *port);

/*
 * The words for a negative errno of a CAN socket (can-socket.h); returns the code's errno. Silence
 * and a full queue are explained by the interface's state where that explains them: down, bus-off,
 * no node acknowledges (error-passive: wrong bitrate, wiring, power), queue. An interface with an
 * empty name (a test's socket) explains nothing.
 */
int kf_can_state_explain(const char *interface, int r, struct kf_error *err);

/*
 * The same for a state that was read; NULL: kf_can_state_read failed with r. With r 0 only the
 * state speaks: 0 if nothing is wrong with it.
 */
int kf_can_state_words(const char *interface, int r, const struct kf_can_state *state,
		       struct kf_error *err);

#endif
