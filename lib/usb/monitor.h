/* SPDX-License-Identifier: GPL-3.0-or-later */
/* USB devices that are plugged in or unplugged, through libudev, once udev has finished. */
#ifndef KF_USB_MONITOR_H
#define KF_USB_MONITOR_H

#include "usb/devices.h"

struct kf_monitor;

/* Receive changes from now on. Open it before the act whose effect you wait for. */
_must_check_ int kf_monitor_new(struct kf_monitor **ret, struct kf_error *err);
void kf_monitor_free(struct kf_monitor **monitor);

/* A descriptor that polls readable when there is an event. */
int kf_monitor_fd(const struct kf_monitor *monitor);

struct kf_event {
	bool added; /* else removed: then board carries only mode, tty, links and usb */
	struct kf_board board;
};

/*
 * Take one event if there is one: 1 and *ret, 0 if none of ours is waiting, or an
 * error: -ENOBUFS means that events were lost, so scan again.
 */
_must_check_ int kf_monitor_next(struct kf_monitor *monitor, struct kf_event *ret,
				 struct kf_error *err);

/* Is the board that is waited for among those connected now? If so, *ret is that board. */
typedef bool kf_monitor_want(const struct kf_boards *now, void *arg, struct kf_board *ret);

/*
 * Wait until want() says true: at once if it does already. It is shown only boards whose port can
 * be opened (udev has finished with them). Events that come meanwhile are consumed.
 * -ETIMEDOUT, -EINTR (stop signal), or what libudev said.
 */
_must_check_ int kf_monitor_wait(struct kf_monitor *monitor, kf_monitor_want *want, void *arg,
				 int64_t deadline_ms, struct kf_board *ret, struct kf_error *err);

#endif
