/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tokens are only ever put into the pipe here, never taken out: the makes do that. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "build/jobserver.h"
#include "core/text.h"

/* What fits into a pipe whatever the system's limits are. */
enum { TOKENS_MAX = 4096 };

int kf_jobserver_open(unsigned jobs, struct kf_jobserver *ret, struct kf_error *err)
{
	struct kf_jobserver server = { .fds = { -1, -1, -1 },
				       .slots = jobs < TOKENS_MAX ? jobs : TOKENS_MAX };

	if (pipe2(server.fds, O_CLOEXEC) < 0)
		return kf_fail_sys(err, errno, "cannot make a pipe");
	*ret = server;
	return 0;
}

void kf_jobserver_close(struct kf_jobserver *server)
{
	kf_closep(&server->fds[0]);
	kf_closep(&server->fds[1]);
	server->fds[0] = server->fds[1] = -1;
}

bool kf_jobserver_take(struct kf_jobserver *server)
{
	if (server->slots == 0)
		return false;
	server->slots--;
	return true;
}

void kf_jobserver_give(struct kf_jobserver *server)
{
	server->slots++;
}

void kf_jobserver_lend(struct kf_jobserver *server)
{
	for (; server->slots > 0; server->slots--)
		if (write(server->fds[1], "+", 1) < 0 && errno != EINTR)
			return;
}

void kf_jobserver_flags(const struct kf_jobserver *server, char ret[KF_JOBSERVER_SIZE])
{
	kf_text_format(ret, KF_JOBSERVER_SIZE, "MAKEFLAGS= -j --jobserver-auth=%d,%d",
		       server->fds[0], server->fds[1]);
}
