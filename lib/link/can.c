/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <linux/can.h>
#include <linux/can/error.h>
#include <linux/can/raw.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/text.h"
#include "link/can-socket.h"
#include "link/can-state.h"
#include "link/can.h"

enum { QUERY = 0x00, ENTER = 0x02, NEED_ID = 0x20 };

static int open_failed(const char *interface, int errnum, struct kf_error *err)
{
	switch (errnum) {
	case EAFNOSUPPORT:
	case EPROTONOSUPPORT:
		kf_fail(err, KF_CONFIG, "%s: this kernel has no CAN sockets", interface);
		return kf_error_hint(err, "sudo modprobe can_raw");
	case EACCES:
	case EPERM:
		kf_fail_sys(err, errnum, "%s: CAN sockets are not allowed here", interface);
		kf_error_hint(err, "run it outside of the container or sandbox, or as root");
		return -errnum;
	default:
		return kf_fail_sys(err, errnum, "%s", interface);
	}
}

int kf_can_open(const char *interface, struct kf_can *ret, struct kf_error *err)
{
	/* Data frames with 11-bit ids, whoever sends them. */
	static const struct can_filter all = { .can_mask = CAN_EFF_FLAG | CAN_RTR_FLAG };
	struct kf_can can = KF_CAN_NONE;
	int r = kf_can_state_check(interface, err);

	if (r < 0)
		return r;
	r = kf_can_socket(interface, &all, 1, &can.fd);
	if (r < 0)
		return open_failed(interface, -r, err);
	KF_COPY(can.interface, interface);
	*ret = can;
	return 0;
}

void kf_can_from_fd(int fd, struct kf_can *ret)
{
	*ret = (struct kf_can){ .fd = fd };
}

void kf_can_closep(struct kf_can *can)
{
	kf_closep(&can->fd);
}

static void mark(struct kf_can *can, uint32_t id)
{
	if (id <= UINT8_MAX)
		can->used[id / 8] |= (uint8_t)(1 << id % 8);
}

/* Which node does this frame belong to? */
static void note(struct kf_can *can, const struct can_frame *frame)
{
	uint8_t command = frame->can_dlc > 0 ? frame->data[0] : 0;

	if (frame->can_id >= 0x100)
		mark(can, (frame->can_id - 0x100) / 2);
	if (frame->can_id == KF_CAN_ADMIN && frame->can_dlc == 8 &&
	    (command == KF_CAN_KLIPPER || command == KF_CAN_KATAPULT))
		mark(can, frame->data[7]);
}

/* The next frame of the bus; errors as kf_can_socket_receive. */
static int receive(struct kf_can *can, int64_t deadline_ms, struct can_frame *ret)
{
	int r = kf_can_socket_receive(can->fd, ret, deadline_ms);

	if (r == 0)
		note(can, ret);
	return r;
}

void kf_can_note_used(struct kf_can *can)
{
	struct can_frame frame;
	int most = 4096; /* a busy bus never ends */

	while (most-- > 0 && receive(can, 0, &frame) == 0)
		;
}

static int failed(const struct kf_can *can, int r, struct kf_error *err)
{
	return kf_can_state_explain(can->interface, r, err);
}

static int send_admin(struct kf_can *can, const void *data, size_t len, int64_t deadline_ms,
		      struct kf_error *err)
{
	int r;

	kf_can_note_used(can);
	r = kf_stopped() ? -EINTR
			 : kf_can_socket_send(can->fd, KF_CAN_ADMIN, data, len, deadline_ms);
	return r < 0 ? failed(can, r, err) : 0;
}

int kf_can_query(struct kf_can *can, int64_t deadline_ms, struct kf_can_node *ret, size_t size,
		 struct kf_error *err)
{
	static const uint8_t query[] = { QUERY };
	struct can_frame frame;
	int count = 0, r = send_admin(can, query, sizeof(query), deadline_ms, err);

	if (r < 0)
		return r;
	while ((size_t)count < size && (r = receive(can, deadline_ms, &frame)) == 0) {
		if (frame.can_id != KF_CAN_ADMIN_ANSWER || frame.can_dlc != 8 ||
		    frame.data[0] != NEED_ID ||
		    (frame.data[7] != KF_CAN_KLIPPER && frame.data[7] != KF_CAN_KATAPULT))
			continue;
		memcpy(ret[count].uuid, frame.data + 1, KF_CAN_UUID_BYTES);
		ret[count++].application = frame.data[7];
	}
	if (r < 0 && r != -ETIMEDOUT)
		return failed(can, r, err);
	if (count == 0 && kf_can_state_passive(can->interface, err))
		return kf_code_errno(KF_CAN_BUS);
	return count;
}

int kf_can_enter(struct kf_can *can, const uint8_t uuid[KF_CAN_UUID_BYTES], int64_t deadline_ms,
		 struct kf_error *err)
{
	uint8_t request[1 + KF_CAN_UUID_BYTES] = { ENTER };

	memcpy(request + 1, uuid, KF_CAN_UUID_BYTES);
	return send_admin(can, request, sizeof(request), deadline_ms, err);
}
