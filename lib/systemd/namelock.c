/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel excludes: bind(2) gives a name once. It also knows who listens there, and tells
 * who connects; each connection stays in a queue that nobody empties and that is long enough,
 * and is hung up when the lock ends.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "systemd/namelock.h"

enum { QUEUE = 4096, RETRY_MS = 10 };

static int open_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/*
 * A container may share our network, but has units of its own, as another system bus has
 * (sd_bus_open_system(3)). Names that differ only behind what fits are one lock.
 */
static socklen_t address_of(const char *name, struct sockaddr_un *ret)
{
	const char *bus = getenv("DBUS_SYSTEM_BUS_ADDRESS");
	char machine[SD_ID128_STRING_MAX] = "";
	sd_id128_t id;

	if (sd_id128_get_machine(&id) >= 0)
		sd_id128_to_string(id, machine);
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	kf_text_format(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "kf/%.8s/%s%s", machine, name,
		       bus ? bus : "");
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(ret->sun_path + 1));
}

static int try_to_take(const char *name, int *ret)
{
	_cleanup_(kf_closep) int fd = open_socket();
	struct sockaddr_un address;
	const socklen_t len = address_of(name, &address);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, QUEUE) < 0)
		return -errno;
	*ret = fd;
	fd = -1; /* the caller's now */
	return 0;
}

/* Connect to who has it; *owner is its pid. Negative: nobody listens, or the queue is full. */
static int visit(const char *name, pid_t *owner)
{
	_cleanup_(kf_closep) int fd = open_socket();
	struct sockaddr_un address;
	const socklen_t len = address_of(name, &address);
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);
	int r = fd;

	*owner = 0;
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, len) < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
		*owner = peer.pid;
	fd = -1; /* the caller's now */
	return r;
}

int kf_namelock_take(const char *name, int64_t deadline_ms, int *ret, pid_t *owner)
{
	struct pollfd pfd = { .events = 0 };
	int r, waited;

	for (;;) {
		r = try_to_take(name, ret);
		if (r != -EADDRINUSE)
			return r;
		pfd.fd = visit(name, owner);
		if (kf_now_ms() >= deadline_ms) {
			kf_closep(&pfd.fd);
			return -EBUSY;
		}
		/* One that does not listen yet, or has just ended, is looked at again. */
		waited = pfd.fd < 0 ? kf_wait(NULL, 0, kf_now_ms() + RETRY_MS)
				    : kf_wait(&pfd, 1, deadline_ms);
		kf_closep(&pfd.fd);
		if (waited < 0)
			return waited;
	}
}

bool kf_namelock_owner(const char *name, pid_t *ret)
{
	_cleanup_(kf_closep) int fd = visit(name, ret);

	return fd >= 0 || fd == -EAGAIN; /* a full queue is somebody's too */
}
