/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sd-bus, attached to the loop: what it reads comes here, and leaves as news. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "systemd/line.h"

struct kf_line {
	sd_bus *bus;
	sd_bus_slot *call;
	struct kf_line_news news;
};

static int on_job_removed(sd_bus_message *m, void *arg, sd_bus_error *ignored)
{
	const struct kf_line *line = arg;
	const char *unit, *said;
	char result[32];

	(void)ignored;
	if (sd_bus_message_read(m, "uoss", NULL, NULL, &unit, &said) < 0)
		return 0;
	kf_text_clean(result, sizeof(result), said, strlen(said));
	line->news.job_ended(line->news.arg, unit, result);
	return 0;
}

static int on_reloading(sd_bus_message *m, void *arg, sd_bus_error *ignored)
{
	const struct kf_line *line = arg;

	(void)m;
	(void)ignored;
	line->news.renewed(line->news.arg);
	return 0;
}

static int on_disconnected(sd_bus_message *m, void *arg, sd_bus_error *ignored)
{
	const struct kf_line *line = arg;

	(void)m;
	(void)ignored;
	line->news.lost(line->news.arg);
	return 0;
}

int kf_line_open(sd_event *event, const struct kf_line_news *news, struct kf_line **ret)
{
	static const char local[] = "org.freedesktop.DBus.Local";
	static const struct {
		const char *sender, *path, *interface, *member;
		sd_bus_message_handler_t handler;
	} signals[] = {
		{ KF_SD_NAME, KF_SD_PATH, KF_SD_MANAGER, "JobRemoved", on_job_removed },
		{ KF_SD_NAME, KF_SD_PATH, KF_SD_MANAGER, "Reloading", on_reloading },
		{ local, "/org/freedesktop/DBus/Local", local, "Disconnected", on_disconnected },
	};
	_cleanup_(kf_line_close) struct kf_line *line = calloc(1, sizeof(*line));
	int r = line ? 0 : -ENOMEM;

	if (r == 0)
		r = sd_bus_open_system(&line->bus);
	if (r >= 0)
		r = sd_bus_attach_event(line->bus, event, SD_EVENT_PRIORITY_NORMAL);
	for (size_t i = 0; r >= 0 && i < KF_ARRAY_SIZE(signals); i++)
		r = sd_bus_match_signal_async(line->bus, NULL, signals[i].sender, signals[i].path,
					      signals[i].interface, signals[i].member,
					      signals[i].handler, NULL, line);
	/* No reply is needed: systemd reads it before what comes after it. */
	if (r >= 0)
		r = sd_bus_call_method_async(line->bus, NULL, KF_SD_NAME, KF_SD_PATH, KF_SD_MANAGER,
					     "Subscribe", NULL, NULL, "");
	if (r < 0)
		return r;
	line->news = *news;
	*ret = line;
	line = NULL; /* the caller's now */
	return 0;
}

void kf_line_close(struct kf_line **line)
{
	if (*line) {
		sd_bus_slot_unref((*line)->call);
		sd_bus_close_unref((*line)->bus);
	}
	free(*line);
	*line = NULL;
}

int kf_line_call(struct kf_line *line, const char *path, const char *interface, const char *method,
		 const char *a, const char *b, sd_bus_message_handler_t on_reply, void *arg)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r;

	r = sd_bus_message_new_method_call(line->bus, &m, KF_SD_NAME, path, interface, method);
	if (r >= 0)
		r = sd_bus_message_append(m, "s", a);
	if (r >= 0 && b)
		r = sd_bus_message_append(m, "s", b);
	if (r >= 0)
		r = sd_bus_call_async(line->bus, &line->call, m, on_reply, arg, UINT64_MAX);
	return r < 0 ? r : 0;
}

void kf_line_cancel(struct kf_line *line)
{
	line->call = sd_bus_slot_unref(line->call);
}
