/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <linux/can/raw.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/process.h"
#include "sim/vcan.h"

#define IP_MS 10000

/* Run ip(8). */
static int ip(const char *const *argv, struct kf_error *err)
{
	struct kf_process p = {
		.argv = argv, .in = -1, .out = STDOUT_FILENO, .err = STDERR_FILENO
	};
	int status, r = kf_process_run(&p, kf_now_ms() + IP_MS, &status, err);

	if (r == 0 && status != 0)
		return kf_fail(err, KF_IO, "ip %s %s failed", argv[1], argv[2]);
	return r;
}

static int open_socket(void)
{
	return socket(PF_CAN, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, CAN_RAW);
}

int sim_vcan_add(const char *name, bool up, struct kf_error *err)
{
	const char *const add[] = { "ip", "link", "add", "dev", name, "type", "vcan", NULL };
	const char *const set[] = { "ip", "link", "set", name, "up", NULL };
	_cleanup_(kf_closep) int fd = open_socket();
	int r;

	if (fd < 0 || geteuid() != 0)
		return 0;
	r = ip(add, err);
	return r == 0 && up ? ip(set, err) : r;
}

void sim_vcan_remove(const char *name)
{
	const char *const del[] = { "ip", "link", "del", name, NULL };
	struct kf_error err;

	if (if_nametoindex(name) && geteuid() == 0)
		IGNORE_RESULT(ip(del, &err));
}

void sim_vcan_down(const char *name)
{
	const char *const set[] = { "ip", "link", "set", name, "down", NULL };
	struct kf_error err;

	IGNORE_RESULT(ip(set, &err));
}

int sim_vcan_open(const char *name, int *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = open_socket();
	struct sockaddr_can address = { .can_family = AF_CAN };

	if (fd < 0)
		return kf_fail(err, KF_CONFIG, "%s: this kernel has no CAN (see tests/can/run)",
			       name);
	address.can_ifindex = (int)if_nametoindex(name);
	if (!address.can_ifindex || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return kf_fail(err, KF_NOT_CONNECTED, "%s: no such CAN interface", name);
	*ret = TAKE_FD(fd);
	return 0;
}

void sim_vcan_service(int fd, struct sim_can_bus *bus, int64_t now_us)
{
	struct can_frame frame;

	while (recv(fd, &frame, sizeof(frame), MSG_DONTWAIT) == sizeof(frame))
		sim_can_bus_write(bus, &frame, now_us);
	sim_can_bus_run(bus, now_us);
	while (sim_can_bus_read(bus, &frame))
		IGNORE_RESULT(send(fd, &frame, sizeof(frame), MSG_DONTWAIT | MSG_NOSIGNAL));
}
