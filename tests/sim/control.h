/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hands for the command: a FIFO, named in its environment as KF_SIM_CONTROL, that takes lines
 * "VERB PORT": unplug, plug, button (plug with the reset button double-clicked), replug, touch.
 * Each is answered by a line "done" on the FIFO $KF_SIM_CONTROL.done when the bus shows what came
 * of it. To the socket $KF_SIM_CONTROL.queued a tty's device number (dev_t) is sent; the answer
 * (int) is how many bytes its board has not taken (preload.c).
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include <sys/socket.h>
#include <sys/un.h>

#include "core/error.h"

struct sim_control {
	int fd;	    /* polls readable when there may be a line; -1: closed */
	int answer; /* likewise */
	int queued; /* a datagram socket; likewise */
	unsigned owed;
	char line[128];
	size_t len;
};

#define SIM_CONTROL_CLOSED                                                                         \
	{                                                                                          \
		.fd = -1, .answer = -1, .queued = -1                                               \
	}

/* Made in folder, whose owner removes it. */
_must_check_ int sim_control_open(struct sim_control *control, const char *folder,
				  struct kf_error *err);
void sim_control_close(struct sim_control *control);

/* The next line, in two words; it has to be answered. False: there is none. A line that is not
 * one is passed over. */
bool sim_control_next(struct sim_control *control, char verb[32], char port[64]);

/* All that was asked for is done. */
void sim_control_answer(struct sim_control *control);

struct sim_question {
	dev_t tty;
	struct sockaddr_un from;
	socklen_t from_len;
};

/* Is there one? It is not an error if whoever asked is gone when he is told. */
bool sim_control_asked(const struct sim_control *control, struct sim_question *ret);
void sim_control_tell(const struct sim_control *control, const struct sim_question *question,
		      int bytes);

#endif
