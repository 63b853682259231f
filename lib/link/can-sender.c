/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "link/can-sender.h"
#include "link/can-socket.h"

#define DATA_MAX 1028 /* a frame of Katapult's */

/* One packet. */
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

int kf_can_sender_start(int fd, struct kf_drain *ret, struct kf_error *err)
{
	int link = -1;
	pid_t pid = kf_drain_fork(&link, err);

	if (pid == 0)
		serve(fd, link);
	if (pid < 0)
		return pid;
	*ret = (struct kf_drain){ .port = -1, .pid = pid, .link = link };
	return 0;
}

int kf_can_sender_send(struct kf_drain *sender, uint32_t id, const void *data, size_t len,
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

void kf_can_sender_endp(struct kf_drain *sender)
{
	if (sender->pid == 0)
		return;
	kf_closep(&sender->link);
	while (waitpid(sender->pid, NULL, 0) < 0 && errno == EINTR)
		;
	sender->pid = 0;
}
