/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Events of the "udev" source come after udev's rules, so what they announce can be
 * used. Waiting looks at what is there after each of them: an event lost or dropped
 * by a full buffer then costs nothing.
 */
#include <errno.h>
#include <libudev.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "usb/monitor.h"

struct kf_monitor {
	struct udev *udev;
	struct udev_monitor *events;
};

void kf_monitor_free(struct kf_monitor **monitor)
{
	if (!*monitor)
		return;
	if ((*monitor)->events)
		udev_monitor_unref((*monitor)->events);
	if ((*monitor)->udev)
		udev_unref((*monitor)->udev);
	free(*monitor);
	*monitor = NULL;
}

int kf_monitor_new(struct kf_monitor **ret, struct kf_error *err)
{
	_cleanup_(kf_monitor_free) struct kf_monitor *monitor = calloc(1, sizeof(*monitor));
	struct udev_monitor *events;
	int r;

	if (!monitor)
		return kf_fail_sys(err, ENOMEM, "cannot receive events of USB devices");
	monitor->udev = udev_new();
	if (monitor->udev)
		monitor->events = udev_monitor_new_from_netlink(monitor->udev, "udev");
	events = monitor->events;
	if (!events)
		return kf_fail_sys(err, errno, "cannot receive events of USB devices");
	if ((r = udev_monitor_filter_add_match_subsystem_devtype(events, "tty", NULL)) < 0 ||
	    (r = udev_monitor_filter_add_match_subsystem_devtype(events, "usb", "usb_device")) <
		    0 ||
	    (r = udev_monitor_enable_receiving(events)) < 0)
		return kf_fail_sys(err, -r, "cannot receive events of USB devices");
	*ret = TAKE_PTR(monitor);
	return 0;
}

int kf_monitor_fd(const struct kf_monitor *monitor)
{
	return udev_monitor_get_fd(monitor->events);
}

/* One event of any device: 1, 0 if none is waiting, or -errno. */
static int receive(struct kf_monitor *monitor, struct udev_device **ret)
{
	errno = 0;
	*ret = udev_monitor_receive_device(monitor->events);
	if (*ret)
		return 1;
	return errno == 0 || errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

int kf_monitor_next(struct kf_monitor *monitor, struct kf_event *ret, struct kf_error *err)
{
	struct udev_device *dev;
	struct kf_event event;
	bool ours = false;
	int r;

	while (!ours && (r = receive(monitor, &dev)) > 0) {
		const char *action = udev_device_get_action(dev);

		event.added = action && strcmp(action, "add") == 0;
		ours = (event.added || (action && strcmp(action, "remove") == 0)) &&
		       kf_usb_board(dev, &event.board);
		udev_device_unref(dev);
	}
	if (!ours)
		return r < 0 ? kf_fail_sys(err, -r, "cannot follow USB devices") : 0;
	event.board.connected = event.added;
	*ret = event;
	return 1;
}

/* Is one that is wanted there now? 1, 0 or -errno. */
static int find_wanted(struct kf_monitor *monitor, kf_monitor_want *want, void *arg,
		       struct kf_board *ret, struct kf_error *err)
{
	_cleanup_(kf_boards_free) struct kf_boards boards = { 0 };
	int r = kf_usb_scan_settled(monitor->udev, &boards, err);

	return r < 0 ? r : want(&boards, arg, ret);
}

int kf_monitor_wait(struct kf_monitor *monitor, kf_monitor_want *want, void *arg,
		    int64_t deadline_ms, struct kf_board *ret, struct kf_error *err)
{
	struct pollfd fd = { .fd = kf_monitor_fd(monitor), .events = POLLIN };
	struct udev_device *dev;
	int r;

	while ((r = find_wanted(monitor, want, arg, ret, err)) == 0) {
		r = kf_wait(&fd, 1, deadline_ms);
		if (r == 0)
			return kf_fail(err, KF_TIMEOUT, "no such board was connected");
		if (r < 0)
			return kf_fail_sys(err, -r, "stopped waiting for a board");
		while ((r = receive(monitor, &dev)) > 0)
			udev_device_unref(dev);
		if (r < 0 && r != -ENOBUFS)
			return kf_fail_sys(err, -r, "cannot follow USB devices");
	}
	return r < 0 ? r : 0;
}
