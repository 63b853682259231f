/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A line to systemd's manager on an sd-event loop: one call at a time, and the news that
 * somebody who waits for a job needs. Nothing here waits.
 */
#ifndef KF_SYSTEMD_LINE_H
#define KF_SYSTEMD_LINE_H

#include <systemd/sd-event.h>

#include "systemd/message.h"

struct kf_line;

struct kf_line_news {
	void (*job_ended)(void *arg, const char *unit, const char *result);
	void (*renewed)(void *arg); /* systemd began anew: news may have been lost over it */
	void (*lost)(void *arg);    /* the connection: close the line */
	void *arg;
};

/* A negative errno of sd-bus: there is no system bus. */
_must_check_ int kf_line_open(sd_event *event, const struct kf_line_news *news,
			      struct kf_line **ret);
void kf_line_close(struct kf_line **line);

/*
 * Call a method whose arguments are one or two strings (b: NULL). on_reply gets the reply, or
 * an error message; kf_line_cancel first thing in there makes the line free for another call.
 */
_must_check_ int kf_line_call(struct kf_line *line, const char *path, const char *interface,
			      const char *method, const char *a, const char *b,
			      sd_bus_message_handler_t on_reply, void *arg);

/* Whatever is on its way: its reply is of no interest any more. */
void kf_line_cancel(struct kf_line *line);

#endif
