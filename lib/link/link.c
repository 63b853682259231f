/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "link/link.h"

int kf_link_guard(struct kf_link *link, struct kf_error *err)
{
	return link->wire->guard(link, err);
}

int kf_link_attach(struct kf_link *link, int64_t deadline_ms)
{
	return link->wire->attach ? link->wire->attach(link, deadline_ms) : 0;
}

int kf_link_send(struct kf_link *link, const void *frame, size_t len, int64_t deadline_ms)
{
	return link->wire->send(link, frame, len, deadline_ms);
}

ssize_t kf_link_receive(struct kf_link *link, void *buf, size_t size, int64_t deadline_ms)
{
	return link->wire->receive(link, buf, size, deadline_ms);
}

int kf_link_failed(struct kf_link *link, int r, struct kf_error *err)
{
	return link->wire->failed(link, r, err);
}

int kf_link_explain(struct kf_link *link, struct kf_error *err)
{
	return link->wire->explain ? link->wire->explain(link, err) : 0;
}

void kf_link_closep(struct kf_link *link)
{
	if (link->wire)
		link->wire->close(link);
	link->wire = NULL;
	link->fd = -1;
}
