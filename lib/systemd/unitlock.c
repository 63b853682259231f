/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel excludes: bind(2) gives a name once. It also knows who listens there, and tells
 * who connects; each look stays in a queue that nobody empties and that is long enough.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/text.h"
#include "systemd/unitlock.h"

enum { LOOKS = 4096 };

static int open_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/*
 * Another system bus (sd_bus_open_system(3)) has other units. Names that differ only behind
 * what fits are one lock.
 */
static socklen_t address_of(const char *unit, struct sockaddr_un *ret)
{
	const char *bus = getenv("DBUS_SYSTEM_BUS_ADDRESS");

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	kf_text_format(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "kf-held/%s%s", unit,
		       bus ? bus : "");
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(ret->sun_path + 1));
}

int kf_unitlock_take(const char *unit, int *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = open_socket();
	struct sockaddr_un address;
	const socklen_t len = address_of(unit, &address);
	pid_t owner;

	if (fd < 0)
		return kf_fail_sys(err, errno, "%s: no lock", unit);
	if (bind(fd, (struct sockaddr *)&address, len) < 0) {
		if (errno != EADDRINUSE)
			return kf_fail_sys(err, errno, "%s: no lock", unit);
		kf_unitlock_owner(unit, &owner);
		return kf_unitlock_refuse(unit, owner, err);
	}
	if (listen(fd, LOOKS) < 0)
		return kf_fail_sys(err, errno, "%s: no lock", unit);
	*ret = fd;
	fd = -1; /* the caller's now */
	return 0;
}

bool kf_unitlock_owner(const char *unit, pid_t *ret)
{
	_cleanup_(kf_closep) int fd = open_socket();
	struct sockaddr_un address;
	const socklen_t len = address_of(unit, &address);
	struct ucred owner = { 0 };
	socklen_t size = sizeof(owner);

	*ret = 0;
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, len) < 0)
		return fd >= 0 && errno == EAGAIN; /* all looks are used up */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &owner, &size) == 0)
		*ret = owner.pid;
	return true;
}

int kf_unitlock_refuse(const char *unit, pid_t owner, struct kf_error *err)
{
	int r = kf_fail(err, KF_BUSY,
			"%s is held already: a sentinel starts it when kf-service (pid %d) "
			"and its command have ended",
			unit, (int)owner);

	kf_error_hint(err,
		      "wait for that (pgrep -l kf-sentinel shows whether it is over), then try "
		      "again");
	return r;
}
