/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"
#include "sim/control.h"

/* Open for both directions: then it has no end of file between two of the other side. */
static int make_fifo(const char *path, int *ret, struct kf_error *err)
{
	if (mkfifo(path, 0600) < 0)
		return kf_fail_sys(err, errno, "%s", path);
	*ret = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return *ret < 0 ? kf_fail_sys(err, errno, "%s", path) : 0;
}

static int make_socket(const char *path, int *ret, struct kf_error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (!kf_text_format(address.sun_path, sizeof(address.sun_path), "%s", path))
		return kf_fail(err, KF_CONFIG, "%s: too long for a socket's path", path);
	*ret = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*ret < 0 || bind(*ret, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return kf_fail_sys(err, errno, "%s", path);
	return 0;
}

int sim_control_open(struct sim_control *control, const char *folder, struct kf_error *err)
{
	char path[PATH_MAX], done[PATH_MAX], queued[PATH_MAX];
	int r;

	*control = (struct sim_control)SIM_CONTROL_CLOSED;
	kf_text_format(path, sizeof(path), "%s/control", folder);
	kf_text_format(done, sizeof(done), "%s/control.done", folder);
	kf_text_format(queued, sizeof(queued), "%s/control.queued", folder);
	r = make_fifo(path, &control->fd, err);
	if (r == 0)
		r = make_fifo(done, &control->answer, err);
	if (r == 0)
		r = make_socket(queued, &control->queued, err);
	if (r == 0)
		setenv("KF_SIM_CONTROL", path, 1);
	return r;
}

void sim_control_close(struct sim_control *control)
{
	kf_closep(&control->fd);
	kf_closep(&control->answer);
	kf_closep(&control->queued);
	*control = (struct sim_control)SIM_CONTROL_CLOSED;
}

bool sim_control_next(struct sim_control *control, char verb[32], char port[64])
{
	char c;

	while (read(control->fd, &c, 1) == 1) {
		if (c != '\n') {
			if (control->len < sizeof(control->line) - 1)
				control->line[control->len++] = c;
			continue;
		}
		control->line[control->len] = '\0';
		control->len = 0;
		if (sscanf(control->line, "%31s %63s", verb, port) != 2)
			continue;
		control->owed++;
		return true;
	}
	return false;
}

void sim_control_answer(struct sim_control *control)
{
	/* A full FIFO has answers enough for whoever comes to read them. */
	for (; control->owed > 0; control->owed--)
		IGNORE_RESULT(write(control->answer, "done\n", 5));
}

bool sim_control_asked(const struct sim_control *control, struct sim_question *ret)
{
	ret->from_len = sizeof(ret->from);
	return recvfrom(control->queued, &ret->tty, sizeof(ret->tty), 0,
			(struct sockaddr *)&ret->from, &ret->from_len) == sizeof(ret->tty);
}

void sim_control_tell(const struct sim_control *control, const struct sim_question *question,
		      int bytes)
{
	IGNORE_RESULT(sendto(control->queued, &bytes, sizeof(bytes), 0,
			     (const struct sockaddr *)&question->from, question->from_len));
}
