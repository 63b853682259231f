/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The linker puts the functions __wrap_* in the place of lib/link's (--wrap, see the Makefile). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base.h"
#include "faults/hub.h"
#include "link/can-socket.h"
#include "link/can-state.h"

static struct sockaddr_un address;
static socklen_t address_len;
static volatile bool *down; /* shared with those who flash */

/* The hub's side */

void hub_open(struct hub *hub)
{
	static unsigned count;

	memset(hub, 0, sizeof(*hub));
	for (size_t i = 0; i < HUB_SOCKETS; i++)
		hub->sockets[i].fd = -1;
	/* Shared with no other hub: those who flash are forked later. */
	if (down)
		munmap((void *)down, sizeof(*down));
	down = mmap(NULL, sizeof(*down), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*down = false;
	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	/* An abstract name: nothing is left behind. */
	address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				  (size_t)snprintf(address.sun_path + 1, 64, "kf-faults-%d-%u",
						   getpid(), count++));
	hub->listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (down == MAP_FAILED || hub->listening < 0 ||
	    bind(hub->listening, (struct sockaddr *)&address, address_len) < 0 ||
	    listen(hub->listening, HUB_SOCKETS) < 0)
		abort();
}

static void close_sockets(struct hub *hub)
{
	for (size_t i = 0; i < HUB_SOCKETS; i++)
		kf_closep(&hub->sockets[i].fd);
}

void hub_close(struct hub *hub)
{
	kf_closep(&hub->listening);
	close_sockets(hub);
}

static void accept_all(struct hub *hub)
{
	for (size_t i = 0; i < HUB_SOCKETS; i++) {
		struct hub_socket *s = &hub->sockets[i];

		if (s->fd >= 0)
			continue;
		*s = (struct hub_socket){ .fd = accept4(hub->listening, NULL, NULL,
							SOCK_NONBLOCK | SOCK_CLOEXEC) };
		if (s->fd < 0)
			return;
	}
}

static bool wants(const struct hub_socket *s, const struct can_frame *frame)
{
	for (size_t i = 0; i < s->count; i++)
		if (((frame->can_id ^ s->filters[i].can_id) & s->filters[i].can_mask) == 0)
			return true;
	return false;
}

/* To all that listen, but who has sent it. */
static void spread(struct hub *hub, const struct hub_socket *sender, const struct can_frame *frame)
{
	for (size_t i = 0; i < HUB_SOCKETS; i++) {
		struct hub_socket *s = &hub->sockets[i];

		if (s != sender && s->fd >= 0 && s->ready && wants(s, frame))
			IGNORE_RESULT(
				send(s->fd, frame, sizeof(*frame), MSG_NOSIGNAL | MSG_DONTWAIT));
	}
}

/* False: there is nothing more, or nobody. */
static bool receive(struct hub *hub, struct hub_socket *s, int64_t now_us)
{
	struct can_frame frame;
	ssize_t n;

	if (s->fd < 0)
		return false;
	if (!s->ready) {
		n = recv(s->fd, s->filters, sizeof(s->filters), 0);
		s->ready = n > 0;
		s->count = n > 0 ? (size_t)n / sizeof(s->filters[0]) : 0;
	} else {
		n = recv(s->fd, &frame, sizeof(frame), 0);
		if (n == sizeof(frame)) {
			spread(hub, s, &frame);
			sim_can_bus_write(&hub->bus, &frame, now_us);
		}
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		kf_closep(&s->fd);
	return n > 0;
}

void hub_service(struct hub *hub, int64_t now_us)
{
	struct can_frame frame;

	accept_all(hub);
	for (size_t i = 0; i < HUB_SOCKETS; i++)
		while (receive(hub, &hub->sockets[i], now_us))
			;
	sim_can_bus_run(&hub->bus, now_us);
	while (sim_can_bus_read(&hub->bus, &frame))
		if (!*down)
			spread(hub, NULL, &frame);
}

void hub_set_down(struct hub *hub, bool is_down)
{
	*down = is_down;
	if (is_down)
		close_sockets(hub);
}

void hub_poll(const struct hub *hub, struct pollfd fds[1 + HUB_SOCKETS])
{
	fds[0] = (struct pollfd){ .fd = hub->listening, .events = POLLIN };
	for (size_t i = 0; i < HUB_SOCKETS; i++)
		fds[1 + i] = (struct pollfd){ .fd = hub->sockets[i].fd, .events = POLLIN };
}

/* The side of those who flash */

int __wrap_kf_can_socket(const char *interface, const struct can_filter *filters, size_t count,
			 int *ret);
int __real_kf_can_socket_send(int fd, uint32_t id, const void *data, size_t len,
			      int64_t deadline_ms);
int __wrap_kf_can_socket_send(int fd, uint32_t id, const void *data, size_t len,
			      int64_t deadline_ms);
int __real_kf_can_socket_receive(int fd, struct can_frame *ret, int64_t deadline_ms);
int __wrap_kf_can_socket_receive(int fd, struct can_frame *ret, int64_t deadline_ms);
int __wrap_kf_can_state_check(const char *interface, struct kf_error *err);
int __real_kf_can_state_explain(const char *interface, int r, struct kf_error *err);
int __wrap_kf_can_state_explain(const char *interface, int r, struct kf_error *err);

int __wrap_kf_can_socket(const char *interface, const struct can_filter *filters, size_t count,
			 int *ret)
{
	_cleanup_(kf_closep) int fd =
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)interface;
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, address_len) < 0 ||
	    send(fd, filters, count * sizeof(*filters), MSG_NOSIGNAL) < 0)
		return -errno;
	*ret = TAKE_FD(fd);
	return 0;
}

/* A socket whose interface went down says so. */
static int because_down(int r)
{
	return r < 0 && *down ? -ENETDOWN : r;
}

int __wrap_kf_can_socket_send(int fd, uint32_t id, const void *data, size_t len,
			      int64_t deadline_ms)
{
	return *down ? -ENETDOWN
		     : because_down(__real_kf_can_socket_send(fd, id, data, len, deadline_ms));
}

int __wrap_kf_can_socket_receive(int fd, struct can_frame *ret, int64_t deadline_ms)
{
	return because_down(__real_kf_can_socket_receive(fd, ret, deadline_ms));
}

int __wrap_kf_can_state_check(const char *interface, struct kf_error *err)
{
	if (!*down)
		return 0;
	kf_fail(err, KF_CAN_BUS, "%s is down", interface);
	kf_error_hint(err, "sudo ip link set %s up", interface);
	return kf_code_errno(KF_CAN_BUS);
}

/* Nothing of this interface can be asked. */
int __wrap_kf_can_state_explain(const char *interface, int r, struct kf_error *err)
{
	return *down ? __wrap_kf_can_state_check(interface, err)
		     : __real_kf_can_state_explain("", r, err);
}
