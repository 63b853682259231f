/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A link to one node: its frames, in pieces of 8 bytes on its id. */
#include <errno.h>
#include <linux/can.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "link/can-ids.h"
#include "link/can-link.h"
#include "link/can-socket.h"
#include "link/can-state.h"

enum { CLEAR_KATAPULTS = 0x12, NODES_MAX = 64, QUERY_MS = 200 };

static uint32_t data_id(uint8_t node)
{
	return 0x100 + 2u * node;
}

/*
 * A second process sends our frames: what it was given goes out whole, even if we are killed.
 * Katapult is wedged by half a frame until its next reset. The kernel cannot do it for us: its
 * queue takes what fits, the rest is sent later, and by then we may be dead.
 */
#define DATA_MAX 1028 /* a frame of Katapult's */

struct job {
	int64_t deadline_ms;
	uint32_t id;
	uint32_t len;
	uint8_t data[DATA_MAX];
};

#define JOB_HEAD offsetof(struct job, data)

/* Send each job, until the other end of the link is closed. */
static void serve(int can, int link)
{
	struct job job;
	ssize_t got;
	int r;

	do {
		got = recv(link, &job, sizeof(job), 0);
		if (got < (ssize_t)JOB_HEAD)
			continue;
		r = kf_can_socket_send(can, job.id, job.data, job.len, job.deadline_ms);
		IGNORE_RESULT(send(link, &r, sizeof(r), MSG_NOSIGNAL));
	} while (got > 0 || (got < 0 && errno == EINTR));
	_exit(0);
}

static int start_sender(struct kf_link *link, struct kf_error *err)
{
	int fd = -1;
	pid_t pid = kf_drain_fork(&fd, err);

	if (pid == 0)
		serve(link->fd, fd);
	if (pid < 0)
		return pid;
	link->drain = (struct kf_drain){ .port = -1, .pid = pid, .link = fd };
	return 0;
}

/* -EPIPE: the process was killed. No stop signal ends it. */
static int send_by(struct kf_drain *sender, uint32_t id, const void *data, size_t len,
		   int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = sender->link, .events = POLLIN };
	struct job job = { .deadline_ms = deadline_ms, .id = id, .len = (uint32_t)len };
	int n, r;

	if (len > sizeof(job.data))
		return -EMSGSIZE;
	memcpy(job.data, data, len);
	if (send(sender->link, &job, JOB_HEAD + len, MSG_NOSIGNAL) < 0)
		return -errno;
	/* The second process keeps the deadline. */
	n = kf_wait_through(&pfd, 1, KF_FOREVER);
	if (n < 0)
		return n;
	return recv(sender->link, &r, sizeof(r), 0) == sizeof(r) ? r : -EPIPE;
}

static int send_frame(struct kf_link *link, const void *frame, size_t len, int64_t deadline_ms)
{
	uint32_t id = data_id(link->can.id);

	if (kf_stopped())
		return -EINTR;
	return link->drain.pid ? send_by(&link->drain, id, frame, len, deadline_ms)
			       : kf_can_socket_send(link->fd, id, frame, len, deadline_ms);
}

static int attach(struct kf_link *link, int64_t deadline_ms)
{
	uint8_t request[8] = { link->can.application };

	memcpy(request + 1, link->can.uuid, KF_CAN_UUID_BYTES);
	request[7] = link->can.id;
	if (kf_stopped())
		return -EINTR;
	return kf_can_socket_send(link->fd, KF_CAN_ADMIN, request, sizeof(request), deadline_ms);
}

/* Does this admin frame take the id from our node? Then it drops what it has received. */
static bool takes_id(const struct kf_link *link, const struct can_frame *frame)
{
	uint8_t command = frame->can_dlc > 0 ? frame->data[0] : 0;

	if (link->can.application == KF_CAN_KATAPULT && command == CLEAR_KATAPULTS)
		return true;
	return command == link->can.application && frame->can_dlc == 8 &&
	       (frame->data[7] == link->can.id) !=
		       (memcmp(frame->data + 1, link->can.uuid, KF_CAN_UUID_BYTES) == 0);
}

static ssize_t receive(struct kf_link *link, void *buf, size_t size, int64_t deadline_ms)
{
	uint8_t *p = buf;
	struct can_frame frame;
	size_t len = 0;
	int r;

	while (len + CAN_MAX_DLEN <= size) {
		r = kf_can_socket_receive(link->fd, &frame, len > 0 ? 0 : deadline_ms);
		if (r < 0)
			return len > 0 ? (ssize_t)len : r;
		if (frame.can_id == KF_CAN_ADMIN && takes_id(link, &frame)) {
			memcpy(link->can.taken_by, frame.data, sizeof(link->can.taken_by));
			return -EADDRINUSE;
		}
		if (frame.can_id != data_id(link->can.id) + 1)
			continue;
		memcpy(p + len, frame.data, frame.can_dlc);
		len += frame.can_dlc;
		link->can.answered = true;
	}
	return (ssize_t)len;
}

static int id_taken(const struct kf_link *link, struct kf_error *err)
{
	const uint8_t *by = link->can.taken_by;
	char other[KF_CAN_UUID_SIZE];

	kf_can_uuid_format(by + 1, other);
	if (by[0] == CLEAR_KATAPULTS)
		kf_fail(err, KF_BUSY,
			"another program took the ids of all nodes in Katapult "
			"(flashtool.py does)");
	else if (by[7] == link->can.id)
		kf_fail(err, KF_BUSY, "another program gave the node's id %u to %s", link->can.id,
			other);
	else
		kf_fail(err, KF_BUSY, "another program gave the node the id %u", by[7]);
	return kf_error_hint(err,
			     "end the other program, then try again; if the node does not answer, "
			     "power-cycle it or double-click its reset button");
}

static int absent(const struct kf_link *link, struct kf_error *err)
{
	char uuid[KF_CAN_UUID_SIZE];

	kf_can_uuid_format(link->can.uuid, uuid);
	kf_fail(err, KF_NOT_CONNECTED, "no node %s answers on %s", uuid, link->can.interface);
	return kf_error_hint(
		err, "check its power and cable, and the bitrate; if it was being flashed before, "
		     "power-cycle it or double-click its reset button: nothing else wakes it");
}

/* Ask the nodes without an id: how many have this one's UUID? *ret is the first of them. */
static int ask_bus(const struct kf_link *link, struct kf_can_node *ret)
{
	_cleanup_(kf_can_closep) struct kf_can can = KF_CAN_NONE;
	struct kf_can_node nodes[NODES_MAX];
	int count = 0, same = 0;

	if (link->can.interface[0] && kf_can_open(link->can.interface, &can, NULL) == 0)
		count = kf_can_query(&can, kf_now_ms() + QUERY_MS, nodes, NODES_MAX, NULL);
	for (int i = count - 1; i >= 0; i--) {
		if (memcmp(nodes[i].uuid, link->can.uuid, KF_CAN_UUID_BYTES) == 0) {
			*ret = nodes[i];
			same++;
		}
	}
	return same;
}

static int two_nodes(const struct kf_link *link, struct kf_error *err)
{
	kf_fail(err, KF_AMBIGUOUS,
		"two nodes have this UUID: each drops its id when the other speaks");
	return kf_error_hint(
		err,
		"take one of them off %s: boards whose chips have the same id cannot share a "
		"bus; power-cycle the other",
		link->can.interface);
}

static int explain(struct kf_link *link, struct kf_error *err)
{
	struct kf_can_node node;

	return ask_bus(link, &node) > 1 ? two_nodes(link, err) : 0;
}

/* Nothing was answered in time, and the interface is all right. */
static int silent(const struct kf_link *link, struct kf_error *err)
{
	struct kf_can_node node;
	int count = ask_bus(link, &node);

	if (count > 1)
		return two_nodes(link, err);
	if (count == 0)
		return link->can.answered ? -ETIMEDOUT : absent(link, err);
	if (node.application == link->can.application)
		return -ETIMEDOUT;
	if (node.application == KF_CAN_KATAPULT)
		return kf_fail(err, KF_LEFT_IN_BOOTLOADER, "the node is in Katapult");
	return kf_fail(err, KF_NO_KATAPULT, "the node runs Klipper, not Katapult");
}

static int failed(struct kf_link *link, int r, struct kf_error *err)
{
	if (r == -EADDRINUSE)
		return id_taken(link, err);
	/* A caller that passes no err tries again, and asks for the words in the end. Until then a
	 * node may only be starting up: it acknowledges nothing, and the controller is
	 * error-passive. */
	if (!err)
		return r;
	r = kf_can_state_explain(link->can.interface, r, err);
	return r == -ETIMEDOUT && link->can.interface[0] ? silent(link, err) : r;
}

/* Frames that the kernel has taken go out after the socket is closed, too. */
static void close_link(struct kf_link *link)
{
	kf_drain_endp(&link->drain);
	kf_closep(&link->fd);
}

/*
 * Silence at CONNECT is asked again early: a node that is being reset, or whose main loop is busy,
 * loses frames. The rest of an answer is at most 16 bytes when the next request goes, of the 96
 * that a node has room for (Katapult src/generic/canserial.c).
 */
static const struct kf_link_wire can = {
	.flow = { .overlaps = true, .again_ms = 20, .again_max_ms = 40 },
	.guard = start_sender,
	.attach = attach,
	.send = send_frame,
	.receive = receive,
	.failed = failed,
	.explain = explain,
	.close = close_link,
};

void kf_link_can_from_fd(int fd, const uint8_t uuid[KF_CAN_UUID_BYTES],
			 enum kf_can_application application, uint8_t id, struct kf_link *ret)
{
	struct kf_link link = KF_LINK_NONE;

	link.wire = &can;
	link.flow = can.flow;
	link.fd = fd;
	memcpy(link.can.uuid, uuid, KF_CAN_UUID_BYTES);
	link.can.application = (uint8_t)application;
	link.can.id = id;
	*ret = link;
}

int kf_link_can_open(struct kf_can *bus, const uint8_t uuid[KF_CAN_UUID_BYTES],
		     enum kf_can_application application, struct kf_link *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = -1;
	char text[KF_CAN_UUID_SIZE];
	uint8_t id = 0;
	int r;

	kf_can_note_used(bus);
	r = kf_can_id_choose(bus, uuid, application, &fd, &id);
	if (r == -EADDRINUSE)
		return kf_fail(err, KF_BUSY, "%s: no node id is free", bus->interface);
	if (r < 0)
		return kf_can_state_explain(bus->interface, r, err);
	kf_link_can_from_fd(TAKE_FD(fd), uuid, application, id, ret);
	KF_COPY(ret->can.interface, bus->interface);
	kf_can_uuid_format(uuid, text);
	kf_text_format(ret->name, sizeof(ret->name), "%s %s", bus->interface, text);
	return 0;
}
