/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CAN: a node shows nothing but its answers. A Katapult ignores what is for Klipper ("01", "02"),
 * and Klipper what is for Katapult ("11"), so both may be sent whatever runs.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "flash/bootloader.h"
#include "flash/target.h"
#include "flash/wire.h"
#include "katapult/can-probe.h"
#include "link/can-link.h"
#include "link/can-state.h"

enum {
	SEND_MS = 1000,
	INTERFACE_MS = 8000, /* for whatever brings a new interface up */
	SYSFS_MS = 200,	     /* sysfs may show it after the kernel has told of it */
};

static int no_uuid(const struct kf_board *board, struct kf_error *err)
{
	kf_fail(err, KF_CONFIG,
		"its UUID on %s is not known: its USB serial number, %s, is none "
		"of a chip",
		board->link.interface, board->usb.serial[0] ? board->usb.serial : "empty");
	return kf_error_hint(err, "kf set %s canbus_uuid=UUID, as its printer.cfg has it",
			     board->key[0] ? board->key : "KEY");
}

static int no_net(const struct kf_board *board, struct kf_error *err)
{
	kf_fail(err, KF_CAN_BUS, "the bridge on USB port %s has no network interface",
		board->usb.port);
	return kf_error_hint(
		err, "%s",
		kf_can_adapter_unbound(board->usb.port)
			? "sudo modprobe gs_usb"
			: "unplug it and plug it in again; sudo dmesg says why it has none");
}

static int open_bus(const struct kf_board *board, struct kf_can *ret,
		    uint8_t ret_uuid[KF_CAN_UUID_BYTES], struct kf_error *err)
{
	if (!board->link.interface[0])
		return no_net(board, err);
	if (!kf_can_uuid_parse(board->link.uuid, ret_uuid))
		return no_uuid(board, err);
	return kf_can_open(board->link.interface, ret, err);
}

static int open_node(const struct kf_board *board, enum kf_can_application application,
		     struct kf_link *ret, struct kf_error *err)
{
	_cleanup_(kf_can_closep) struct kf_can can = KF_CAN_NONE;
	uint8_t uuid[KF_CAN_UUID_BYTES];
	int r = open_bus(board, &can, uuid, err);

	return r < 0 ? r : kf_link_can_open(&can, uuid, application, ret, err);
}

static int open_klipper(const struct kf_board *board, struct kf_link *ret, struct kf_error *err)
{
	return open_node(board, KF_CAN_KLIPPER, ret, err);
}

static int open_katapult(const struct kf_board *board, struct kf_link *ret, struct kf_error *err)
{
	return open_node(board, KF_CAN_KATAPULT, ret, err);
}

static int request(const struct kf_board *board, struct kf_error *err)
{
	_cleanup_(kf_can_closep) struct kf_can can = KF_CAN_NONE;
	uint8_t uuid[KF_CAN_UUID_BYTES];
	int r = open_bus(board, &can, uuid, err);

	return r < 0 ? r : kf_can_enter(&can, uuid, kf_now_ms() + SEND_MS, err);
}

/* Finds out which program runs on the node. */
static int probe(const struct kf_board *board, int64_t deadline_ms, enum kf_can_application *ret,
		 struct kf_error *err)
{
	_cleanup_(kf_link_closep) struct kf_link katapult = KF_LINK_NONE, klipper = KF_LINK_NONE;
	int r = open_katapult(board, &katapult, err);

	if (r == 0)
		r = open_klipper(board, &klipper, err);
	return r < 0 ? r : kf_can_probe(&katapult, &klipper, deadline_ms, ret, err);
}

static int ask(const struct kf_board *board, int64_t within_ms, struct kf_board *ret,
	       struct kf_error *err)
{
	enum kf_can_application application;
	int64_t deadline_ms = kf_now_ms() + within_ms;
	int r = probe(board, deadline_ms, &application, err);

	if (r == 0 && application == KF_CAN_KLIPPER)
		return kf_wire_identify(board, deadline_ms, ret, err);
	if (r < 0)
		return r;
	*ret = *board;
	ret->mode = KF_MODE_KATAPULT;
	return 0;
}

/*
 * CONNECT until Katapult answers or the deadline has passed. was: the node as it was before. To ask
 * the bus why an attempt failed takes time: only the last attempt does so. After an answer that is
 * not Katapult's, that is one more attempt.
 */
static int connect_until(struct kf_link *link, const struct kf_board *was, int64_t deadline_ms,
			 struct kf_error *err)
{
	enum { EACH_MS = 150 };
	struct kf_katapult k;
	int r;

	do {
		k = (struct kf_katapult){ .link = link,
					  .deadline_ms = kf_within_ms(EACH_MS, deadline_ms) };
		r = kf_katapult_connect(&k, NULL);
	} while (r < 0 && r != -EINTR && r != -ENODEV && r != -ENETDOWN && r != -ECOMM &&
		 kf_now_ms() < deadline_ms);
	k.deadline_ms = kf_now_ms() + EACH_MS;
	if (r == -EPROTO)
		return kf_katapult_connect(&k, err);
	if (r == -EINTR)
		return kf_fail_stopped(err);
	return r < 0 ? kf_wire_silent(link, was, r, err) : 0;
}

static int enter(struct kf_monitor *monitor, const struct kf_board *board, int64_t deadline_ms,
		 struct kf_board *ret, struct kf_error *err)
{
	_cleanup_(kf_link_closep) struct kf_link link = KF_LINK_NONE;
	int r = board->mode == KF_MODE_KATAPULT ? 0 : request(board, err);

	(void)monitor;
	if (r == 0)
		r = open_katapult(board, &link, err);
	if (r == 0)
		r = connect_until(&link, board, deadline_ms, err);
	if (r < 0)
		return r;
	*ret = *board;
	ret->mode = KF_MODE_KATAPULT;
	return 0;
}

static int check(struct kf_katapult *k, const struct kf_board *board, struct kf_error *err)
{
	uint8_t uuid[KF_CAN_UUID_BYTES];
	char says[KF_CAN_UUID_SIZE];
	int r = kf_katapult_can_uuid(k, uuid, err);

	if (r < 0)
		return r;
	kf_can_uuid_format(uuid, says);
	if (strcmp(says, board->link.uuid) == 0)
		return 0;
	kf_fail(err, KF_AMBIGUOUS, "the node that answers has the UUID %s, not %s", says,
		board->link.uuid);
	return kf_error_hint(err,
			     "nothing was written: end other programs that flash on %s, then try "
			     "again",
			     board->link.interface);
}

static int come_back(struct kf_monitor *monitor, const struct kf_board *board, int64_t deadline_ms,
		     struct kf_board *ret, struct kf_error *err)
{
	(void)monitor;
	return kf_wire_identify(board, deadline_ms, ret, err);
}

const struct kf_wire_row kf_wire_can = {
	.ask = ask,
	.enter = enter,
	.open_klipper = open_klipper,
	.open_katapult = open_katapult,
	.check = check,
	.come_back = come_back,
};

/* The bridge keeps this request: it does not go out to the bus. */
static int enter_bridge(struct kf_monitor *monitor, const struct kf_board *board,
			int64_t deadline_ms, struct kf_board *ret, struct kf_error *err)
{
	int r = request(board, err);

	return r < 0 ? r : kf_bootloader_await(monitor, board, deadline_ms, ret, err);
}

const struct kf_wire_row kf_wire_bridge = {
	.ask = kf_wire_ask_klipper, /* over the bus that it makes */
	.enter = enter_bridge,
	.open_klipper = open_klipper,
	.open_katapult = open_katapult,
	.come_back = kf_wire_usb_come_back,
};

/* Open a socket that tells of every change of a network interface. */
static int watch_interfaces(struct kf_error *err)
{
	const struct sockaddr_nl all = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&all, sizeof(all)) == 0)
		return fd;
	kf_fail_sys(err, errno, "cannot follow network interfaces");
	kf_closep(&fd);
	return kf_code_errno(KF_IO);
}

static int no_interface(const struct kf_board *board, const struct kf_error *why,
			struct kf_error *err)
{
	const char *interface = board->link.interface;
	struct kf_error none = { 0 };

	if (!interface[0]) {
		no_net(board, &none);
		kf_fail(err, KF_UNVERIFIED,
			"on USB port %s it came back as a USB-to-CAN bridge, but without its "
			"network interface",
			board->usb.port);
		return kf_error_hint(err, "%s; then start Klipper again", none.hint);
	}
	kf_fail(err, KF_UNVERIFIED,
		"it came back as the bridge of %s, and nothing brought that up: %s", interface,
		why->message);
	return kf_error_hint(err, "%s; then start Klipper again", why->hint);
}

int kf_wire_await_interface(const struct kf_board *board, int64_t deadline_ms, struct kf_board *ret,
			    struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = watch_interfaces(err);
	int64_t end_ms = kf_within_ms(INTERFACE_MS, deadline_ms);
	struct pollfd poll = { .fd = fd, .events = POLLIN };
	struct kf_board now = *board;
	struct kf_error why = { 0 };
	char message[8192];
	int r = fd < 0 ? fd : 0;

	while (r == 0) {
		IGNORE_RESULT(kf_target_look(board, &now));
		if (now.link.interface[0] && kf_can_state_check(now.link.interface, &why) == 0) {
			*ret = now;
			return 0;
		}
		if (kf_now_ms() >= end_ms)
			return no_interface(&now, &why, err);
		r = kf_wait(&poll, 1, kf_now_ms() + SYSFS_MS);
		while (r > 0 && recv(fd, message, sizeof(message), 0) > 0)
			;
		r = r < 0 ? r : 0;
	}
	return r == -EINTR ? kf_fail_stopped(err) : r;
}
