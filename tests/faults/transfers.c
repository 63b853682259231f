/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/text.h"
#include "faults/bus.h"
#include "faults/transfers.h"
#include "usb/transfer.h"

/* Requests that every device has, and types of descriptors: USB 2.0, chapter 9. */
enum { CLEAR_FEATURE = 1, GET_DESCRIPTOR = 6, SET_INTERFACE = 11 };
enum { STANDARD_MS = 1000 };
enum { CONFIGURATION = 2, INTERFACE = 4, ENDPOINT = 5 };

struct kf_usb_handle {
	unsigned generation; /* of the bus, when it was opened */
	struct kf_usb usb;
	uint8_t config[SIM_USB_DESCRIPTORS]; /* the configuration's descriptor */
	size_t config_len;
};

/* A transfer, and its answer: the same id. */
struct message {
	uint32_t id;
	unsigned generation;
	ssize_t result; /* bytes, or a negative errno */
	uint8_t endpoint;
	struct sim_usb_setup setup;
	size_t len;
	uint8_t data[SIM_USB_CONTROL_MAX];
};

static int client = -1, server = -1;
static struct message asked; /* by the client; id 0: answered */
static struct sim_usb_transfer pending;

void transfers_begin(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	client = ends[0];
	server = ends[1];
	asked.id = 0;
}

void transfers_take_client(void)
{
	kf_closep(&server);
}

void transfers_take_server(void)
{
	kf_closep(&client);
}

void transfers_end(void)
{
	kf_closep(&server);
}

int transfers_fd(void)
{
	return server;
}

/* The simulator's side */

static void reply(ssize_t result)
{
	asked.result = result;
	/* The process that asked may have been killed. */
	IGNORE_RESULT(
		send(server, &asked, offsetof(struct message, data) + asked.len, MSG_NOSIGNAL));
	asked.id = 0;
}

/* A new transfer: the client has given up the last one. */
static void take(void)
{
	while (recv(server, &asked, sizeof(asked), MSG_DONTWAIT) > 0)
		pending = (struct sim_usb_transfer){ .endpoint = asked.endpoint,
						     .setup = asked.setup,
						     .data = asked.data,
						     .len = asked.len };
}

void transfers_run(sim_usb_answer_fn *answer, void *context)
{
	if (server < 0)
		return;
	for (take(); asked.id != 0; take()) {
		enum sim_usb_answer a;

		if (asked.generation != bus_generation()) {
			reply(-ENODEV);
			continue;
		}
		a = answer(context, &pending);
		if (a == SIM_USB_NAK)
			return;
		reply(a == SIM_USB_STALL ? -EPIPE : (ssize_t)pending.actual);
	}
}

/* The side of those who flash */

/* Wait for the answer to the transfer; what comes to an earlier one, which timed out, is dropped.
 */
static ssize_t wait_for(struct message *m, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = client, .events = POLLIN };
	uint32_t id = m->id;
	int r;

	do {
		r = kf_wait(&pfd, 1, deadline_ms);
		if (r <= 0)
			return r == 0 ? -ETIMEDOUT : r;
		if (recv(client, m, sizeof(*m), 0) <= 0)
			return -ENODEV;
	} while (m->id != id);
	return m->result;
}

static ssize_t transfer(const struct kf_usb_handle *handle, uint8_t endpoint,
			const struct sim_usb_setup *setup, void *data, size_t len,
			int64_t deadline_ms)
{
	static struct message m;
	static uint32_t last_id;
	ssize_t r;

	if (len > sizeof(m.data))
		return -EMSGSIZE;
	if (kf_stopped())
		return -EINTR;
	m = (struct message){ .id = ++last_id,
			      .generation = handle->generation,
			      .endpoint = endpoint,
			      .setup = *setup,
			      .len = len };
	if (!(endpoint & KF_USB_IN) && len > 0)
		memcpy(m.data, data, len);
	if (send(client, &m, offsetof(struct message, data) + len, MSG_NOSIGNAL) < 0)
		return -ENODEV;
	r = wait_for(&m, deadline_ms);
	if (r > 0 && (endpoint & KF_USB_IN))
		memcpy(data, m.data, (size_t)r);
	return r;
}

ssize_t __wrap_kf_usb_control(struct kf_usb_handle *handle, const struct kf_usb_request *request,
			      void *data, uint16_t len, int64_t deadline_ms);
ssize_t __wrap_kf_usb_control(struct kf_usb_handle *handle, const struct kf_usb_request *request,
			      void *data, uint16_t len, int64_t deadline_ms)
{
	const struct sim_usb_setup setup = { request->type, request->request, request->value,
					     request->index, len };

	return transfer(handle, request->type & KF_USB_IN, &setup, data, len, deadline_ms);
}

ssize_t __wrap_kf_usb_bulk(struct kf_usb_handle *handle, uint8_t endpoint, void *data, size_t len,
			   int64_t deadline_ms);
ssize_t __wrap_kf_usb_bulk(struct kf_usb_handle *handle, uint8_t endpoint, void *data, size_t len,
			   int64_t deadline_ms)
{
	return transfer(handle, endpoint, &(const struct sim_usb_setup){ 0 }, data, len,
			deadline_ms);
}

int __wrap_kf_usb_clear_halt(struct kf_usb_handle *handle, uint8_t endpoint);
int __wrap_kf_usb_clear_halt(struct kf_usb_handle *handle, uint8_t endpoint)
{
	const struct kf_usb_request clear = { .type = 2,
					      .request = CLEAR_FEATURE,
					      .index = endpoint };

	return (int)__wrap_kf_usb_control(handle, &clear, NULL, 0, kf_now_ms() + STANDARD_MS);
}

int __wrap_kf_usb_failed(const struct kf_usb_handle *handle, int r, struct kf_error *err);
int __wrap_kf_usb_failed(const struct kf_usb_handle *handle, int r, struct kf_error *err)
{
	static const struct {
		int r;
		enum kf_code code;
	} codes[] = { { -EPIPE, KF_PROTOCOL },
		      { -EPROTO, KF_PROTOCOL },
		      { -ENODEV, KF_GONE },
		      { -ETIMEDOUT, KF_TIMEOUT } };

	for (size_t i = 0; i < KF_ARRAY_SIZE(codes); i++)
		if (codes[i].r == r)
			return kf_fail(err, codes[i].code, "USB port %s: %s", handle->usb.port,
				       strerror(-r));
	return kf_fail_sys(err, -r, "USB port %s", handle->usb.port);
}

int __wrap_kf_usb_open(const struct kf_usb *usb, struct kf_usb_handle **ret, struct kf_error *err);
int __wrap_kf_usb_open(const struct kf_usb *usb, struct kf_usb_handle **ret, struct kf_error *err)
{
	const struct kf_usb_request get = { .type = KF_USB_IN,
					    .request = GET_DESCRIPTOR,
					    .value = CONFIGURATION << 8 };
	struct kf_usb_handle *handle = calloc(1, sizeof(*handle));
	struct kf_board board;
	ssize_t got;

	if (!handle)
		abort();
	handle->usb = *usb;
	handle->generation = bus_generation();
	if (!bus_look(&board) || strcmp(board.usb.product, usb->product) != 0) {
		free(handle);
		return kf_fail(err, KF_GONE, "nothing is on USB port %s any more", usb->port);
	}
	got = __wrap_kf_usb_control(handle, &get, handle->config, sizeof(handle->config),
				    kf_now_ms() + STANDARD_MS);
	if (got < 0) {
		int r = __wrap_kf_usb_failed(handle, (int)got, err);

		free(handle);
		return r;
	}
	handle->config_len = (size_t)got;
	*ret = handle;
	return 0;
}

void __wrap_kf_usb_closep(struct kf_usb_handle **handle);
void __wrap_kf_usb_closep(struct kf_usb_handle **handle)
{
	free(*handle);
	*handle = NULL;
}

/* The descriptor behind this one; NULL: the first, or after the last one. */
static const uint8_t *next(const struct kf_usb_handle *handle, const uint8_t *d)
{
	const uint8_t *end = handle->config + handle->config_len;

	d = d ? d + d[0] : handle->config;
	return d < end && d[0] >= 2 && d[0] <= end - d ? d : NULL;
}

size_t __wrap_kf_usb_alternates(const struct kf_usb_handle *handle,
				struct kf_usb_alternate ret[KF_USB_ALTERNATES_MAX]);
size_t __wrap_kf_usb_alternates(const struct kf_usb_handle *handle,
				struct kf_usb_alternate ret[KF_USB_ALTERNATES_MAX])
{
	size_t n = 0;

	for (const uint8_t *d = next(handle, NULL); d; d = next(handle, d)) {
		if (d[1] == INTERFACE && n < KF_USB_ALTERNATES_MAX)
			ret[n++] = (struct kf_usb_alternate){ .interface = d[2],
							      .number = d[3],
							      .interface_class = d[5],
							      .subclass = d[6],
							      .protocol = d[7],
							      .name = d[8] };
		if (d[1] == ENDPOINT && n > 0)
			*(d[2] & KF_USB_IN ? &ret[n - 1].in : &ret[n - 1].out) = d[2];
	}
	return n;
}

size_t __wrap_kf_usb_descriptor(const struct kf_usb_handle *handle, uint8_t interface, uint8_t type,
				uint8_t *ret, size_t size);
size_t __wrap_kf_usb_descriptor(const struct kf_usb_handle *handle, uint8_t interface, uint8_t type,
				uint8_t *ret, size_t size)
{
	(void)interface; /* the simulated ones have one interface with such a descriptor */
	return kf_usb_descriptor_find(handle->config, handle->config_len, type, ret, size);
}

int __wrap_kf_usb_claim(struct kf_usb_handle *handle, const struct kf_usb_alternate *alternate,
			struct kf_error *err);
int __wrap_kf_usb_claim(struct kf_usb_handle *handle, const struct kf_usb_alternate *alternate,
			struct kf_error *err)
{
	const struct kf_usb_request set = { .type = 1,
					    .request = SET_INTERFACE,
					    .value = alternate->number,
					    .index = alternate->interface };
	ssize_t r = __wrap_kf_usb_control(handle, &set, NULL, 0, kf_now_ms() + STANDARD_MS);

	return r < 0 ? __wrap_kf_usb_failed(handle, (int)r, err) : 0;
}
